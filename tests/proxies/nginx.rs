//! Starts nginx, in front of two proxies or as a test configures it.

use std::fs;
use std::net::TcpStream;
use std::path::Path;

use crate::common::servers::{Program, Server};

const NGINX: Program = Program {
    also_in: &["/usr/sbin"],
    ..Program::new("nginx", "nginx-light")
};

/// The header that lists the proxies that nginx asked. The last one answered.
pub(crate) const ASKED: &str = "asked";

/// Starts nginx so that it asks two proxies in turn. If one does not answer, nginx asks the other
/// and still asks the first next time.
pub(crate) fn start([one, two]: [u16; 2]) -> Server {
    start_with(move |_, port| {
        format!(
            "keepalive_requests 1000000;
             upstream proxies {{
                 server 127.0.0.1:{one} max_fails=0;
                 server 127.0.0.1:{two} max_fails=0;
                 keepalive 16;
             }}
             server {{
                 listen 127.0.0.1:{port};
                 location / {{
                     proxy_pass http://proxies;
                     proxy_http_version 1.1;
                     proxy_set_header Connection '';
                     add_header {ASKED} $upstream_addr always;
                 }}
             }}"
        )
    })
}

/// Starts nginx with what this returns for a folder and a port, inside of `http`.
pub(super) fn start_with(http: impl Fn(&Path, u16) -> String + Send + 'static) -> Server {
    let start = move |folder: &Path, port: u16| {
        let configuration = configuration(&http(folder, port));
        fs::write(folder.join("nginx.conf"), configuration).unwrap();
        let mut command = NGINX.command();
        command.args(["-e", "stderr", "-c", "nginx.conf", "-p"]);
        command.arg(folder);
        command
    };
    let ready = |port| TcpStream::connect(("127.0.0.1", port)).is_ok();
    Server::start(&NGINX, start, ready)
}

fn configuration(http: &str) -> String {
    // One process only. The turns are exact then, and a kill ends all of it.
    format!(
        "daemon off;
         master_process off;
         pid nginx.pid;
         events {{}}
         http {{
             access_log off;
             client_body_temp_path client_body;
             proxy_temp_path proxy;
             fastcgi_temp_path fastcgi;
             uwsgi_temp_path uwsgi;
             scgi_temp_path scgi;
             {http}
         }}"
    )
}
