//! HTTP: health and metrics for container platforms, pages and a JSON API for people and programs.
//!
//! Nothing here decides. A page shows what the state holds; a decision is handed to the daemon's [`Desk`], which takes the
//! same way as the command line, and the executor checks consent when it acts. What holds for every request stands in
//! `guard`: a route that is not in its table is refused, whoever asks; GET and HEAD change nothing; a form counts once and
//! only from this origin. `visitor` says who asks, `sign_in` and `oidc` how people get in, `nonce` what a form carries,
//! `view` what there is to show, `api` and `pages` how.

mod api;
mod assets;
mod fields;
mod guard;
mod limit;
mod nonce;
mod oidc;
mod operations;
mod pages;
mod problem;
mod sign_in;
mod table;
#[cfg(test)]
pub(crate) mod tests;
mod view;
mod visitor;

pub mod slack;

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn_with_state, map_response};
use tokio::net::TcpListener;

use crate::daemon::{Clock, Desk, House, InForce, Readiness};
use crate::state::State;
use crate::telemetry::Metrics;
use guard::Routes;
use problem::Problem;

/// How long open requests may go on once the server is to end.
const GRACE: Duration = Duration::from_secs(2);
/// No form that a person fills in is larger, in bytes.
const LARGEST_BODY: usize = 256 * 1024;

/// HTTP cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// Another process has the port.
    #[error(
        "cannot listen on {listen}: the port is in use; end the other process (another iamwarden?) or set \
         `server.listen` to a free port, or to \"\" to turn HTTP off"
    )]
    InUse {
        /// As configured.
        listen: SocketAddr,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The address cannot be had for another reason.
    #[error(
        "cannot listen on {listen}; set `server.listen` to an address of this machine and a port that may be used"
    )]
    Listen {
        /// As configured.
        listen: SocketAddr,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The server ended by itself.
    #[error("the HTTP server failed")]
    Serve {
        /// Why.
        source: std::io::Error,
    },
}

/// What the server works with.
#[derive(Debug, Clone)]
pub struct Web {
    in_force: InForce,
    desk: Desk,
    readiness: Readiness,
    metrics: Arc<Metrics>,
    clock: Clock,
    attempts: Arc<limit::Attempts>,
    provider: Arc<oidc::Known>,
    /// Where there is no sign-in, what nonces are bound to.
    key: Arc<nonce::Key>,
}

impl Web {
    /// Shows this house, and hands in at this desk what people ask for.
    pub fn new(in_force: InForce, desk: Desk, readiness: Readiness, metrics: Arc<Metrics>) -> Self {
        Self {
            clock: in_force.get().clock,
            in_force,
            desk,
            readiness,
            metrics,
            attempts: Arc::default(),
            provider: Arc::default(),
            key: Arc::new(nonce::Key::random()),
        }
    }

    fn house(&self) -> House {
        self.in_force.get()
    }

    fn state(&self) -> Result<State, Problem> {
        self.house().state.ok_or(Problem::NoState)
    }
}

/// All routes, behind the guard.
pub fn router(web: Web) -> Router {
    routes().into_router(web)
}

fn routes() -> Routes {
    let routes = Routes::new();
    let routes = assets::routes(operations::routes(routes));
    let routes = api::routes(oidc::routes(sign_in::routes(routes)));
    pages::routes(routes)
}

impl Routes {
    fn into_router(self, web: Web) -> Router {
        let (router, table) = self.into_parts();
        let guard = guard::Guard::new(web.clone(), table);
        router
            .fallback(|| async { Problem::NotFound("There is nothing here.".to_owned()) })
            .method_not_allowed_fallback(|| async { Problem::Method })
            .layer(DefaultBodyLimit::max(LARGEST_BODY))
            .layer(from_fn_with_state(guard, guard::guard))
            .layer(map_response(guard::secure))
            .with_state(web)
    }
}

/// Takes the address, so that one that cannot be had is an error at the start.
///
/// # Errors
/// [`WebError::InUse`] and [`WebError::Listen`].
pub async fn bind(listen: SocketAddr) -> Result<TcpListener, WebError> {
    TcpListener::bind(listen).await.map_err(|source| {
        if source.kind() == std::io::ErrorKind::AddrInUse {
            WebError::InUse { listen, source }
        } else {
            WebError::Listen { listen, source }
        }
    })
}

/// Serves until `end`, then lets open requests finish for a moment. Let `end` be the end of the scheduler rather
/// than the request to stop: while the last action is finished, the process is alive and says so.
///
/// # Errors
/// [`WebError::Serve`] where the server ends by itself.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    end: impl Future<Output = ()> + Send + 'static,
) -> Result<(), WebError> {
    let (ending, ended) = tokio::sync::oneshot::channel();
    let end = async move {
        end.await;
        // Nobody listens where the server has ended first.
        let _ = ending.send(());
    };
    let patience = async {
        match ended.await {
            Ok(()) => tokio::time::sleep(GRACE).await,
            Err(_) => std::future::pending().await,
        }
    };
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::select! {
        served = axum::serve(listener, service).with_graceful_shutdown(end).into_future() => {
            served.map_err(|source| WebError::Serve { source })
        }
        () = patience => Ok(()),
    }
}
