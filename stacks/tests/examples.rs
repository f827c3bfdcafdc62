//! Each example starts, says where it listens, and accepts a connection.

use tower_login_timeout_stacks::running::runs;

#[test]
fn axum_login_runs() {
    runs("axum_login");
}

#[test]
fn tower_sessions_runs() {
    runs("tower_sessions");
}

#[test]
fn private_cookie_runs() {
    runs("private_cookie");
}

#[test]
fn tonic_runs() {
    runs("tonic");
}

#[test]
fn openid_runs() {
    runs("openid");
}

#[test]
fn order_runs() {
    runs("order");
}

#[test]
fn htmx_runs() {
    runs("htmx");
}
