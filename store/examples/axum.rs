//! A store that everyone may read, and that anyone with the token may write to.

use axum::Router;
use chunker_store::protocol::{Engine, EngineOptions, Refusal};
use chunker_store::service::StoreService;
use chunker_store::{Store, StoreError, StoreOptions};
use std::error::Error;
use std::future::ready;
use subtle::ConstantTimeEq as _;

pub(crate) async fn app(address: &str, token: &'static str) -> Result<Router, StoreError> {
    let store = Store::open(address, StoreOptions::new()).await?;
    let engine = Engine::new(EngineOptions::new())?;
    let service = StoreService::new(engine, move |head, operation| {
        let given = head.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let is_known = given.is_some_and(|given| given.as_bytes().ct_eq(token.as_bytes()).into());
        ready(match is_known || !operation.writes() {
            true => Ok(store.clone()),
            false => Err(Refusal::unauthorized("Bearer")),
        })
    });
    Ok(Router::new().nest_service("/store", service))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:4000").await?;
    axum::serve(listener, app("uploads", "secret").await?).await?;
    Ok(())
}
