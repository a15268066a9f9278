//! Paging by marker or token, with short and empty pages where the settings ask for them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::AwsError;
use super::query::Query;
use super::xml::Xml;
use crate::seed::Paging;

/// One page of a list.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<String>,
}

impl<T> Page<T> {
    /// Writes `IsTruncated` and `Marker`.
    pub(crate) fn close(&self, xml: &mut Xml) {
        xml.text("IsTruncated", self.next.is_some())
            .optional("Marker", self.next.as_ref());
    }
}

/// Where a list is to be read on: after which key, and whether an empty page is due first.
struct Position {
    after: Option<String>,
    empty_page_due: bool,
}

impl Position {
    /// `None` where the token is none of ours.
    fn read(token: Option<&str>, paging: &Paging) -> Option<Self> {
        let Some(token) = token else {
            return Some(Self {
                after: None,
                empty_page_due: paging.empty_pages,
            });
        };
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let (phase, key) = text.split_once(':')?;
        let after = (phase != "start-read").then(|| key.to_owned());
        Some(Self {
            after,
            empty_page_due: phase == "empty",
        })
    }

    fn token(phase: &str, key: &str) -> String {
        URL_SAFE_NO_PAD.encode(format!("{phase}:{key}"))
    }
}

/// Cuts the page that an IAM request asks for out of `items`, which are in the order of their keys.
pub(crate) fn page<T>(
    items: Vec<(String, T)>,
    query: &Query,
    paging: &Paging,
    default_size: u32,
) -> Result<Page<T>, AwsError> {
    let asked = query.integer("MaxItems", 1, 1000)?.unwrap_or(default_size);
    let marker = query.optional("Marker");
    let invalid = || AwsError::validation(format!("Invalid Marker: {}", marker.unwrap_or_default()));
    cut(items, marker, asked, paging).ok_or_else(invalid)
}

/// Cuts the page after `token` out of `items`, which are in the order of their keys. `None` where the token is none of ours.
pub(crate) fn cut<T>(
    items: Vec<(String, T)>,
    token: Option<&str>,
    asked: u32,
    paging: &Paging,
) -> Option<Page<T>> {
    let size = paging.size.map_or(asked, |short| short.min(asked)).max(1);
    let position = Position::read(token, paging)?;
    let start = match &position.after {
        None => 0,
        Some(key) => items.partition_point(|(other, _)| other <= key),
    };
    if position.empty_page_due && start < items.len() {
        let next = match &position.after {
            None => Position::token("start-read", ""),
            Some(key) => Position::token("read", key),
        };
        return Some(Page {
            items: Vec::new(),
            next: Some(next),
        });
    }
    let total = items.len();
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let end = total.min(start.saturating_add(size));
    let last_key = if end < total && end > 0 {
        Some(items[end - 1].0.clone())
    } else {
        None
    };
    let phase = if paging.empty_pages { "empty" } else { "read" };
    let next = last_key.map(|key| Position::token(phase, &key));
    let items = items
        .into_iter()
        .skip(start)
        .take(size)
        .map(|(_, item)| item)
        .collect();
    Some(Page { items, next })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(paging: &Paging, size: u32) -> (Vec<u32>, u32) {
        let mut seen = Vec::new();
        let mut pages = 0;
        let mut marker: Option<String> = None;
        loop {
            let items = (0..10).map(|n| (format!("{n:02}"), n)).collect();
            let mut pairs = vec![("MaxItems".to_owned(), size.to_string())];
            pairs.extend(marker.map(|marker| ("Marker".to_owned(), marker)));
            let page = page(items, &Query::from_pairs(pairs), paging, 100).unwrap_or(Page {
                items: vec![],
                next: None,
            });
            seen.extend(page.items);
            pages += 1;
            marker = page.next;
            if marker.is_none() {
                return (seen, pages);
            }
        }
    }

    #[test]
    fn pages_give_every_item_once() {
        assert_eq!(read_all(&Paging::default(), 3), ((0..10).collect(), 4));
        assert_eq!(read_all(&Paging::default(), 5), ((0..10).collect(), 2));
        assert_eq!(read_all(&Paging::default(), 1000), ((0..10).collect(), 1));
    }

    #[test]
    fn short_and_empty_pages_lose_nothing() {
        assert_eq!(
            read_all(
                &Paging {
                    size: Some(2),
                    empty_pages: false
                },
                1000
            ),
            ((0..10).collect(), 5)
        );
        assert_eq!(
            read_all(
                &Paging {
                    size: Some(5),
                    empty_pages: true
                },
                1000
            ),
            ((0..10).collect(), 4)
        );
    }

    #[test]
    fn a_made_up_marker_is_refused() {
        let query = Query::from_pairs([("Marker".to_owned(), "nonsense".to_owned())]);
        assert!(page(vec![("a".to_owned(), 1)], &query, &Paging::default(), 100).is_err());
    }
}
