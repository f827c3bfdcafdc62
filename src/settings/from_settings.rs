//! The layer that settings describe.

use super::document::Settings;
use super::error::SettingsError;
use crate::identify::identify_session::IdentifySession;
use crate::middleware::layer::LoginTimeoutLayer;
use crate::store::activity_store::ActivityStore;

impl<St: ActivityStore> LoginTimeoutLayer<St> {
    /// Creates the layer that these settings describe.
    ///
    /// What a file cannot say is set afterwards, by the methods of the layer: closures, observers,
    /// the clock.
    ///
    /// ```
    /// use tower_login_timeout::{LoginTimeoutLayer, MemoryStore, RequestHead, Settings};
    ///
    /// let settings: Settings = toml::from_str(
    ///     r#"
    ///         [policy]
    ///         idle = "20m"
    ///
    ///         [cookie]
    ///         name = "sid"
    ///     "#,
    /// )?;
    /// let layer = LoginTimeoutLayer::from_settings(&settings, MemoryStore::new())?
    ///     .with_passive(|request: RequestHead<'_>| request.headers().contains_key("x-poll"));
    ///
    /// let error = LoginTimeoutLayer::from_settings(&Settings::default(), MemoryStore::new());
    /// assert!(error.unwrap_err().to_string().contains("no `cookie`"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the settings have no `cookie`.
    pub fn from_settings(settings: &Settings, store: St) -> Result<Self, SettingsError> {
        let cookie = settings.cookie().ok_or_else(SettingsError::no_cookie)?;
        Ok(Self::from_settings_with(settings, cookie.clone(), store))
    }

    /// As [`from_settings`](LoginTimeoutLayer::from_settings), with an identifier of the caller's:
    /// a bearer token, a header, or a cookie that is signed. The field `cookie` does not count
    /// then.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::convert::Infallible;
    /// use http::{Request, Response};
    /// use tower::{Layer, ServiceExt, service_fn};
    /// use tower_login_timeout::{BearerToken, LoginTimeoutLayer, MemoryStore, Settings};
    ///
    /// let settings: Settings = toml::from_str("answer = { status = 401 }")?;
    /// let store = MemoryStore::new();
    /// let layer = LoginTimeoutLayer::from_settings_with(&settings, BearerToken, store);
    /// let application = service_fn(async |_| Ok::<_, Infallible>(Response::new(String::new())));
    /// let request = Request::get("/").header("authorization", "Bearer unknown").body(())?;
    /// let response = layer.layer(application).oneshot(request).await?;
    /// assert_eq!(response.status(), 401);
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_settings_with(
        settings: &Settings,
        identify: impl IdentifySession,
        store: St,
    ) -> Self {
        let mut layer = Self::new(settings.policy(), identify, store)
            .with_response(settings.response())
            .with_passive(settings.passive.rule())
            .with_exempt(settings.exempt.rule());
        if settings.remaining_header {
            layer = layer.with_remaining_header();
        }
        if let Some(visitors) = &settings.visitors {
            layer = visitors.added_to(layer);
        }
        match &settings.browser {
            Some(browser) => browser.added_to(layer),
            None => layer,
        }
    }
}
