//! x
use crate::plan::Plan;
/// x
pub fn markdown(_: &Plan) -> String {
    String::new()
}
