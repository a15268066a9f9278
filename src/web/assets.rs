//! The stylesheet and the one script, compiled in. They hold nothing of anybody.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::guard::{Right, Routes};
use crate::model::Digest;

const STYLE: &str = concat!(
    include_str!("../plan/render/templates/components.css"),
    include_str!("assets/page.css")
);
/// htmx 2.0.11 (0BSD), as its authors publish it.
const SCRIPT: &str = include_str!("assets/htmx.min.js");
const ICON: &str = include_str!("assets/icon.svg");

/// Changes with the content, so that a browser may keep the files for long.
pub(super) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let digest = Digest::of_bytes(format!("{STYLE}{SCRIPT}{ICON}").as_bytes());
    digest.short(12).to_owned()
});

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get("/assets/page.css", Right::Anybody, async || {
            file("text/css; charset=utf-8", STYLE)
        })
        .get("/assets/htmx.js", Right::Anybody, async || {
            file("text/javascript; charset=utf-8", SCRIPT)
        })
        .get("/assets/icon.svg", Right::Anybody, async || {
            file("image/svg+xml", ICON)
        })
}

fn file(kind: &'static str, content: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, content).into_response()
}
