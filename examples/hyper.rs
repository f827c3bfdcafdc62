//! The layer on a bare hyper server that speaks HTTP/1 and HTTP/2 with prior knowledge on one port.
//!
//! ```text
//! cargo run --example hyper
//! cargo run --example hyper -- 127.0.0.1:4401
//! ```

use std::error::Error;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use http::header::SET_COOKIE;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::signal::ctrl_c;
use tower::ServiceBuilder;
use tower_login_timeout::{CookieId, LoginTimeoutLayer, MemoryStore, Policy, SessionHandle};

const IDLE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let layer = LoginTimeoutLayer::new(
        Policy::builder().with_idle(IDLE).build()?,
        CookieId::new("sid")?,
        MemoryStore::new(),
    );
    let service = ServiceBuilder::new().layer(layer).service_fn(answer);

    let argument = std::env::args().nth(1);
    let address = argument.as_deref().unwrap_or("127.0.0.1:4400");
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let address = listener.local_addr()?;
    println!(
        "listening on http://{address}

With curl:
  curl -i -c jar -X POST http://{address}/login
  curl -i -b jar http://{address}/
  curl -i -b jar --http2-prior-knowledge http://{address}/
  sleep {idle}; curl -i -b jar http://{address}/

Ctrl-C stops it.",
        idle = IDLE.as_secs()
    );

    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new());
    let mut interrupted = pin!(ctrl_c());
    loop {
        let (stream, _) = tokio::select! {
            biased;
            result = &mut interrupted => return Ok(result?),
            accepted = listener.accept() => accepted?,
        };
        let (server, service) = (server.clone(), TowerToHyperService::new(service.clone()));
        tokio::spawn(async move {
            if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
                eprintln!("{error}");
            }
        });
    }
}

/// The application. It uses the handle to say how much time is left, and nothing else of the layer.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, getrandom::Error> {
    let session = request.extensions().get::<SessionHandle>();
    match (request.method(), request.uri().path(), session) {
        (&Method::POST, "/login", _) => {
            let cookie = format!("sid={}; Path=/; HttpOnly; SameSite=Lax", random_id()?);
            Ok(with_cookie(cookie, "You are logged in.\n"))
        }
        (&Method::POST, "/logout", _) => {
            let removal = "sid=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax".to_owned();
            Ok(with_cookie(removal, "You are logged out.\n"))
        }
        (_, _, Some(session)) => {
            let left = session.remaining().as_secs();
            let text = format!("If you do nothing, your session ends in {left} s.\n");
            Ok(Response::new(Full::from(text)))
        }
        (_, _, None) => Ok(Response::new(Full::from("Hello, whoever you are.\n"))),
    }
}

fn with_cookie(cookie: String, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    if let Ok(cookie) = cookie.parse() {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// 128 bits that nobody can guess (OWASP ASVS 5.0, 7.2.3).
fn random_id() -> Result<String, getrandom::Error> {
    let mut id = [0; 16];
    getrandom::fill(&mut id)?;
    Ok(format!("{:032x}", u128::from_be_bytes(id)))
}
