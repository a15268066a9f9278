//! Answers in pages: all of them, or an error.

use std::collections::BTreeSet;
use std::future::Future;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::convert::Odd;
use super::errors::{AwsError, Scope};
use super::reader::{Reader, usable};

/// Most items of a page.
pub(super) const PAGE: i32 = 1000;

/// Where in a paged answer a reader is. `IsTruncated` decides, not the number of items.
#[derive(Debug, Default)]
pub(super) struct Pages {
    seen: BTreeSet<String>,
    next: Option<String>,
}

impl Pages {
    /// What to send for the next page.
    pub(super) fn marker(&self) -> Option<String> {
        self.next.clone()
    }

    /// Turns the page; `false`: it was the last.
    pub(super) fn turn(&mut self, truncated: bool, marker: Option<String>) -> Result<bool, Odd> {
        if !truncated {
            return Ok(false);
        }
        let marker = marker
            .filter(|marker| !marker.is_empty())
            .ok_or_else(|| Odd("there are more pages, but no marker to ask for them".to_owned()))?;
        if !self.seen.insert(marker.clone()) {
            return Err(Odd("the marker of an earlier page came again".to_owned()));
        }
        self.next = Some(marker);
        Ok(true)
    }
}

/// A page as IAM sends it: its items, whether there are more, and the marker to ask for them.
pub(super) type Page<T> = (Vec<T>, bool, Option<String>);

impl Reader {
    /// The items of all pages. `call` asks for the page after a marker, `take` takes its answer apart.
    ///
    /// # Errors
    /// [`AwsError`], where any page fails: half a list is none.
    pub(super) async fn list<T, P, E, F>(
        &self,
        scope: Scope<'_>,
        call: impl Fn(Option<String>) -> F,
        take: impl Fn(P) -> Page<T>,
    ) -> Result<Vec<T>, AwsError>
    where
        F: Future<Output = Result<P, SdkError<E, HttpResponse>>>,
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let mut all = Vec::new();
        let mut pages = Pages::default();
        loop {
            let page = self.ask(scope, call(pages.marker())).await?;
            let (items, truncated, marker) = take(page);
            all.extend(items);
            if !usable(scope, pages.turn(truncated, marker))? {
                return Ok(all);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truncated_page_needs_a_new_marker() {
        let mut pages = Pages::default();
        assert_eq!(pages.turn(true, Some("a".to_owned())), Ok(true));
        assert_eq!(pages.marker().as_deref(), Some("a"));
        assert_eq!(pages.turn(true, Some("b".to_owned())), Ok(true));
        assert!(pages.turn(true, Some("a".to_owned())).is_err());
        assert!(pages.turn(true, None).is_err());
        assert!(pages.turn(true, Some(String::new())).is_err());
        assert_eq!(pages.turn(false, Some("a".to_owned())), Ok(false));
    }
}
