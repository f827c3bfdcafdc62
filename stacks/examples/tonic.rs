//! A gRPC server with bearer tokens and an interceptor, and the timeouts around them.
//! `docs/beside-tonic.md` explains it.
//!
//! The services stand for what `tonic-build` makes of a `.proto` file. Their messages are plain
//! text.
//!
//! ```text
//! cd stacks
//! cargo run --example tonic
//! ```

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::server::{Grpc, NamedService};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tower::{Service, service_fn};
use tower_login_timeout::{
    BearerToken, Clock, LoginTimeoutLayer, MemoryStore, Policy, SessionHandle, SessionKey,
    SystemClock, Tracker,
};
use tower_login_timeout_stacks::text::Text;

/// Short, so that nobody has to wait.
pub const IDLE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:4400")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener, SystemClock).await
}

/// Serves the greeter behind the timeouts.
pub async fn serve(listener: TcpListener, clock: impl Clock) -> Result<(), Box<dyn Error>> {
    let timeouts = timeouts(clock)?;
    let tracker = timeouts.tracker();
    let users = Users::default();
    let server = Server::builder()
        .layer(timeouts) // In tonic, the first layer is the outermost.
        .add_service(Doorkeeper::new(users.clone(), tracker))
        .add_service(InterceptedService::new(Greeter, with_user(users)));
    Ok(server
        .serve_with_incoming(TcpIncoming::from(listener))
        .await?)
}

pub fn timeouts(clock: impl Clock) -> Result<LoginTimeoutLayer, Box<dyn Error>> {
    let policy = Policy::builder().with_idle(IDLE).build()?;
    Ok(LoginTimeoutLayer::new(policy, BearerToken, MemoryStore::new()).with_clock(clock))
}

/// Whose a token is. A real site keeps that in its database.
#[derive(Clone, Debug, Default)]
pub struct Users(Arc<Mutex<HashMap<SessionKey, User>>>);

/// The user of a call, among the request's extensions.
#[derive(Clone, Debug)]
pub struct User(String);

impl Users {
    fn add(&self, token: &str, name: String) {
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        users.insert(SessionKey::of(token), User(name));
    }

    fn user(&self, metadata: &MetadataMap) -> Option<User> {
        let token = metadata.get("authorization")?.to_str().ok()?;
        let token = token.strip_prefix("Bearer ")?;
        let users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        users.get(&SessionKey::of(token)).cloned()
    }
}

/// Makes an interceptor that lets no call pass without a user.
pub fn with_user(
    users: Users,
) -> impl Fn(Request<()>) -> Result<Request<()>, Status> + Clone + Send + Sync {
    move |mut request| {
        let user = users.user(request.metadata());
        let user = user.ok_or_else(|| Status::unauthenticated("please log in"))?;
        request.extensions_mut().insert(user);
        Ok(request)
    }
}

/// The service `greet.Doorkeeper`: `LogIn` takes a name and returns a token.
#[derive(Clone, Debug)]
pub struct Doorkeeper {
    users: Users,
    tracker: Tracker,
}

impl Doorkeeper {
    pub fn new(users: Users, tracker: Tracker) -> Self {
        Self { users, tracker }
    }

    /// Logs a user in. A real service checks a password, or better.
    async fn log_in(&self, name: String) -> Result<String, Status> {
        let token = random_token().map_err(|_| Status::internal("no random numbers"))?;
        self.users.add(&token, name);
        let started = self.tracker.start(token.as_str()).await;
        started.map_err(|_| Status::unavailable("please try again"))?;
        Ok(token)
    }
}

/// The service `greet.Greeter`: `Greet`, `LogOut`, and `Watch`, which does not end by itself.
#[derive(Clone, Debug)]
pub struct Greeter;

async fn greet(request: Request<String>) -> Result<Response<String>, Status> {
    let User(name) = user(&request)?;
    Ok(Response::new(format!("hello, {name}")))
}

async fn watch(request: Request<String>) -> Result<Response<ReceiverStream<Hello>>, Status> {
    let User(name) = user(&request)?;
    let (sender, receiver) = mpsc::channel(1);
    // The layer ends the stream with its session. Then the receiver is dropped, and so is this.
    tokio::spawn(async move {
        let _ = sender.send(Ok(format!("hello, {name}"))).await;
        sender.closed().await;
    });
    Ok(Response::new(ReceiverStream::new(receiver)))
}

type Hello = Result<String, Status>;

async fn log_out(request: Request<String>) -> Result<Response<String>, Status> {
    if let Some(session) = request.extensions().get::<SessionHandle>() {
        let revoked = session.revoke().await;
        revoked.map_err(|_| Status::unavailable("please try again"))?;
    }
    Ok(Response::new("goodbye".to_owned()))
}

fn user(request: &Request<String>) -> Result<User, Status> {
    let user = request.extensions().get::<User>();
    user.cloned()
        .ok_or_else(|| Status::internal("the interceptor is missing"))
}

/// 128 bits that nobody can guess (OWASP ASVS 5.0, 7.2.3).
fn random_token() -> Result<String, getrandom::Error> {
    let mut token = [0; 16];
    getrandom::fill(&mut token)?;
    Ok(format!("{:032x}", u128::from_be_bytes(token)))
}

// From here on, what `tonic-build` would write.

type Call = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

impl NamedService for Doorkeeper {
    const NAME: &'static str = "greet.Doorkeeper";
}

impl Service<http::Request<Body>> for Doorkeeper {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Call;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Call {
        let this = self.clone();
        let log_in = service_fn(move |request: Request<String>| {
            let this = this.clone();
            async move { this.log_in(request.into_inner()).await.map(Response::new) }
        });
        Box::pin(async move { Ok(Grpc::new(Text).unary(log_in, request).await) })
    }
}

impl NamedService for Greeter {
    const NAME: &'static str = "greet.Greeter";
}

impl Service<http::Request<Body>> for Greeter {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Call;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Call {
        Box::pin(async move {
            let mut grpc = Grpc::new(Text);
            Ok(match request.uri().path() {
                "/greet.Greeter/Watch" => grpc.server_streaming(service_fn(watch), request).await,
                "/greet.Greeter/LogOut" => grpc.unary(service_fn(log_out), request).await,
                _ => grpc.unary(service_fn(greet), request).await,
            })
        })
    }
}
