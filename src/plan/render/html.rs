//! x
use crate::plan::Plan;
/// x
pub fn html(_: &Plan) -> String {
    String::new()
}
