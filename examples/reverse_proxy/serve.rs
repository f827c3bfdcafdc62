//! The server: accepts connections, and closes them when it ends.

use std::convert::Infallible;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;
use tower::{Layer, ServiceExt, service_fn};
use tower_login_timeout::{ActivityStore, BoxError};

use crate::reload::InForce;
use crate::stop::Stop;

/// How long open requests may take after the first signal.
const GRACE: Duration = Duration::from_secs(10);

/// Serves until a signal comes, then lets open requests finish.
pub async fn until_asked_to_end<St: ActivityStore>(
    mut stop: Stop,
    listener: TcpListener,
    in_force: watch::Receiver<InForce<St>>,
) -> Result<(), BoxError> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new());
    server.http2().timer(TokioTimer::new());
    let graceful = GracefulShutdown::new();
    loop {
        let (stream, client) = tokio::select! {
            biased;
            asked = stop.asked() => break asked?,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Too many open files, for example. That passes when connections close.
                    eprintln!("cannot accept a connection: {error}");
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let in_force = in_force.clone();
        // Each request asks anew what is in force, since a connection may outlive many settings.
        let service = service_fn(move |request: Request<Incoming>| {
            let InForce { layer, forward } = in_force.borrow().clone();
            let application = service_fn(move |request| {
                let response = forward.clone().pass(request, client);
                async { Ok::<_, Infallible>(response.await) }
            });
            layer.layer(application).oneshot(request)
        });
        let connection = server
            .serve_connection_with_upgrades(io(stream), TowerToHyperService::new(service))
            .into_owned();
        // An error means that the client went away, which needs no message.
        let connection = graceful.watch(connection);
        tokio::spawn(async { drop(connection.await) });
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = sleep(GRACE) => {}
        _ = stop.asked() => {}
    }
    Ok(())
}

/// Prints where the proxy can be reached.
pub fn announce(what: &str, address: SocketAddr) -> Result<(), BoxError> {
    let mut out = std::io::stdout();
    writeln!(out, "{what} {address}")?;
    out.flush()?;
    Ok(())
}

fn io(stream: TcpStream) -> TokioIo<TcpStream> {
    // Small writes must not wait for each other. A stream that refuses this still works.
    let _ = stream.set_nodelay(true);
    TokioIo::new(stream)
}
