//! Builds and starts the example `reverse_proxy` for the tests.

use std::env::{consts::EXE_SUFFIX, current_exe};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::common::servers::{Folder, Server, ending_with_us};

/// Starts a proxy in front of this application, with more options. A restart keeps the port.
pub(crate) fn start(application: SocketAddr, options: &[&str]) -> Server {
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

/// Builds the example with all features and returns its program.
///
/// Cargo does not always build examples together with tests. If the program is up to date, the
/// build does nothing.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let test = current_exe().unwrap();
        let folder = test.parent().and_then(Path::parent).unwrap();
        // The folder of the profile `dev` has another name.
        let profile = match folder.file_name().and_then(|name| name.to_str()) {
            Some("debug") => "dev",
            Some(profile) => profile,
            None => panic!("{} is in no folder of cargo", test.display()),
        };
        let mut cargo = Command::new(env!("CARGO"));
        // Build scripts would see these variables of the test as a change and run again.
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
