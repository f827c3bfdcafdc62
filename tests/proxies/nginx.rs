//! Starts nginx in front of two proxies.

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
pub(crate) fn start(proxies: [u16; 2]) -> Server {
    let start = move |folder: &Path, port: u16| {
        fs::write(folder.join("nginx.conf"), configuration(port, proxies)).unwrap();
        let mut command = NGINX.command();
        command.args(["-e", "stderr", "-c", "nginx.conf", "-p"]);
        command.arg(folder);
        command
    };
    let ready = |port| TcpStream::connect(("127.0.0.1", port)).is_ok();
    Server::start(&NGINX, start, ready)
}

fn configuration(port: u16, [one, two]: [u16; 2]) -> String {
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
             keepalive_requests 1000000;
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
             }}
         }}"
    )
}
