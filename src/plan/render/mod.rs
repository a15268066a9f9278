//! A plan as people and programs read it: text, Markdown, HTML, JSON.
//!
//! Every function here is pure: the same plan gives the same bytes, and "now" is the time at which the plan was
//! made. All four say the same; what a form leaves out for want of room it counts, and the JSON has it. Text from
//! outside (names, tags, messages of AWS) passes [`crate::model::visible`] first and the escaping of its form second.

mod chart;
mod difference;
mod glance;
mod html;
mod json;
mod many;
mod markdown;
mod outline;
mod page;
#[cfg(test)]
mod sample;
mod steps;
mod text;
mod words;

pub use html::{change, html};
pub use json::{json, write_json};
pub use markdown::markdown;
pub use page::TextStyle;
pub use text::text;
pub use words::{mode_word, reason_sentence};
