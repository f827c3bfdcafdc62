//! Sites that keep their session in a cookie of axum-extra or tower-sessions, behind the layer.

use axum::body::Body;
use axum::extract::FromRef;
use axum::http::{HeaderValue, Request};
use axum::routing::{get, post};
use axum::{Extension, Router};
use axum_extra::extract::cookie::{Cookie, Key};
use axum_extra::extract::{CookieJar, PrivateCookieJar, SignedCookieJar};
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_login_timeout::{CookieId, LoginTimeoutLayer, MemoryStore, Policy, Tracker, rule};
use tower_sessions::cookie::SameSite;
use tower_sessions::{Session, SessionManagerLayer};

/// How a site keeps its session.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    CookieJar,
    SignedCookieJar,
    PrivateCookieJar,
    TowerSessions,
}

impl Kind {
    pub const ALL: [Self; 4] = [
        Self::CookieJar,
        Self::SignedCookieJar,
        Self::PrivateCookieJar,
        Self::TowerSessions,
    ];
}

/// The id that the sites with cookie jars give to the user. It is not written as it is.
pub const ID: &str = "QUJD+/=";

/// A site: `/login` begins a session, `/logout` ends it, `/rolling` sends the cookie again, and any
/// other path answers with what the handler sees of the session. `/login`, `/logout`, `/rolling`
/// and `/static` are exempt.
pub struct Site {
    router: Router,
    pub tracker: Tracker,
}

pub struct Answer {
    pub status: u16,
    pub body: String,
    /// The value of the session's cookie as it is on the wire, if the answer sets it.
    pub cookie: Option<String>,
}

#[derive(Clone)]
struct Keys(Key);

impl FromRef<Keys> for Key {
    fn from_ref(keys: &Keys) -> Self {
        keys.0.clone()
    }
}

impl Site {
    pub fn new(kind: Kind) -> Self {
        let key = Key::from(&[7; 64]);
        let identify = CookieId::new("sid").unwrap();
        let identify = match kind {
            Kind::CookieJar | Kind::TowerSessions => identify,
            Kind::SignedCookieJar => identify.with_signed(key.clone()),
            Kind::PrivateCookieJar => identify.with_private(key.clone()),
        };
        let layer = LoginTimeoutLayer::new(Policy::default(), identify, MemoryStore::new())
            .with_exempt(rule::path("/login"))
            .with_exempt(rule::path("/logout"))
            .with_exempt(rule::path("/rolling"))
            .with_exempt(rule::path_prefix("/static"));
        let tracker = layer.tracker();
        let router = match kind {
            Kind::CookieJar => plain(),
            Kind::SignedCookieJar => signed(Keys(key)),
            Kind::PrivateCookieJar => private(Keys(key)),
            Kind::TowerSessions => tower_sessions(),
        };
        let router = router.layer(layer);
        Self { router, tracker }
    }

    /// Sends a request with these `Cookie` lines.
    pub async fn ask(&self, method: &str, path: &str, lines: &[&[u8]]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for line in lines {
            request = request.header("cookie", HeaderValue::from_bytes(line).unwrap());
        }
        let request = request.body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let cookies = response.headers().get_all("set-cookie").iter();
        let cookie = cookies
            .filter_map(|cookie| cookie.to_str().ok()?.strip_prefix("sid="))
            .map(|cookie| cookie.split(';').next().unwrap_or_default().to_owned())
            .next();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Answer {
            status,
            body: String::from_utf8(body.into()).unwrap(),
            cookie,
        }
    }

    /// Logs in, and returns the cookie's value.
    pub async fn log_in(&self) -> String {
        let answer = self.ask("POST", "/login", &[]).await;
        answer.cookie.expect("the site begins a session")
    }

    /// Asks for `/` with one `Cookie` line.
    pub async fn get(&self, line: &str) -> Answer {
        self.ask("GET", "/", &[line.as_bytes()]).await
    }
}

fn cookie() -> Cookie<'static> {
    Cookie::build(("sid", ID)).path("/").build()
}

fn removal() -> Cookie<'static> {
    Cookie::build("sid").path("/").build()
}

fn see(id: Option<String>) -> String {
    id.map_or_else(|| "nobody".to_owned(), |id| format!("user {id}"))
}

macro_rules! jar {
    ($name:ident, $jar:ty, $state:ty) => {
        fn $name(state: $state) -> Router {
            Router::new()
                .route("/login", post(async |jar: $jar| jar.add(cookie())))
                .route("/rolling", get(async |jar: $jar| jar.add(cookie())))
                .route("/logout", post(async |jar: $jar| jar.remove(removal())))
                .fallback(async |jar: $jar| see(jar.get("sid").map(|id| id.value().to_owned())))
                .with_state(state)
        }
    };
}

jar!(with_plain_jar, CookieJar, ());
jar!(signed, SignedCookieJar<Key>, Keys);
jar!(private, PrivateCookieJar<Key>, Keys);

fn plain() -> Router {
    with_plain_jar(())
}

fn tower_sessions() -> Router {
    let store = tower_sessions::MemoryStore::default();
    let sessions = SessionManagerLayer::new(store)
        .with_name("sid")
        .with_secure(false)
        .with_same_site(SameSite::Lax);
    Router::new()
        .route(
            "/login",
            post(async |Extension(session): Extension<Session>| {
                session.insert("user", "me").await.unwrap();
            }),
        )
        .route(
            "/rolling",
            get(async |Extension(session): Extension<Session>| {
                session.insert("seen", "again").await.unwrap();
            }),
        )
        .route(
            "/logout",
            post(async |Extension(session): Extension<Session>| session.flush().await.unwrap()),
        )
        .fallback(async |Extension(session): Extension<Session>| {
            see(session.get::<String>("user").await.unwrap())
        })
        .layer(sessions)
}
