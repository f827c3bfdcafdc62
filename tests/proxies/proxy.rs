//! How is a proxy started, killed and started again?

use std::env::{consts::EXE_SUFFIX, current_exe};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::common::servers::{Folder, Server, ending_with_us};

/// The proxy in front of this application, with more options, on one port however often it is started.
pub fn start(application: SocketAddr, options: &[&str]) -> Server {
    let binary = binary();
    let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
    let start = move |_: &Path, port: u16| {
        let mut command = ending_with_us();
        command.arg(binary);
        command.args(["--listen", &format!("127.0.0.1:{port}")]);
        command.args(["--upstream", &format!("http://{application}")]);
        command.args(["--cookie", "sid", "--idle", "20m"]);
        command.args(&options);
        command
    };
    let ready = |port| TcpStream::connect(("127.0.0.1", port)).is_ok();
    Server::start_in("reverse_proxy", Folder::new("proxy"), start, ready)
}

/// The example with every store, as it is now.
///
/// Cargo builds it together with the tests only if it is told to, so it is asked again; it has nothing to do if it did.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let test = current_exe().unwrap();
        let folder = test.parent().and_then(Path::parent).unwrap();
        // The folder of the profile `dev` is called otherwise.
        let profile = match folder.file_name().and_then(|name| name.to_str()) {
            Some("debug") => "dev",
            Some(profile) => profile,
            None => panic!("{} is in no folder of cargo", test.display()),
        };
        let mut cargo = Command::new(env!("CARGO"));
        // What cargo tells this test of its package would look to build scripts like a change of theirs.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_PKG_")
                || name.to_string_lossy().starts_with("CARGO_MANIFEST_")
            {
                cargo.env_remove(name);
            }
        }
        let built = cargo
            .args(["build", "--quiet", "--locked", "--all-features"])
            .args(["--example", "reverse_proxy", "--profile", profile])
            .arg("--target-dir")
            .arg(folder.parent().unwrap())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(built.unwrap().success(), "the proxy cannot be built");
        folder
            .join("examples")
            .join(format!("reverse_proxy{EXE_SUFFIX}"))
    })
}
