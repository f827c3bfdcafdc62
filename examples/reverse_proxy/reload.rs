//! What is in force, and how a signal renews it.

use std::io::Write;

use tokio::sync::watch;
use tower_login_timeout::{ActivityStore, BoxError, LoginTimeoutLayer};

use crate::configuration::Configuration;
use crate::forward::Forward;
use crate::options::Options;
use crate::stop::Reload;

/// What each request goes through.
pub struct InForce<St> {
    pub layer: LoginTimeoutLayer<St>,
    pub forward: Forward,
}

impl<St> Clone for InForce<St> {
    fn clone(&self) -> Self {
        Self {
            layer: self.layer.clone(),
            forward: self.forward.clone(),
        }
    }
}

/// Reads the file again at each signal. The store stays, so no session is lost.
///
/// A file with a mistake changes nothing.
pub async fn at_each_signal<St: ActivityStore>(
    mut signal: Reload,
    options: Options,
    mut configuration: Configuration,
    in_force: watch::Sender<InForce<St>>,
    layer: impl Fn(&Configuration) -> Result<LoginTimeoutLayer<St>, BoxError>,
) {
    while signal.asked().await {
        let renewed = configuration
            .renewed(&options)
            .and_then(|(renewed, needs_restart)| Ok((layer(&renewed)?, renewed, needs_restart)));
        match renewed {
            Ok((layer, renewed, needs_restart)) => {
                in_force.send_modify(|in_force| {
                    in_force.layer = layer;
                    if renewed.upstream() != configuration.upstream() {
                        in_force.forward = Forward::to(renewed.upstream().clone(), &options);
                    }
                });
                configuration = renewed;
                if !needs_restart.is_empty() {
                    say(&format!(
                        "changed, and needs a restart: {}",
                        needs_restart.join(", ")
                    ));
                }
                say("reloaded the settings");
            }
            Err(error) => say(&format!("kept the old settings: {error}")),
        }
    }
}

fn say(line: &str) {
    // Nobody may read it.
    let _ = writeln!(std::io::stdout(), "{line}");
}
