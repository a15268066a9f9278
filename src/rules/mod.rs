//! What is wrong: one file per rule, each a function of configuration, snapshot, history and time.
//!
//! A rule never acts and never decides whether it may be acted on: it judges, says what would put things right, and
//! what an owner has to be told first. Modes, consent and guardrails are the planner's.

mod access_analyzer;
mod access_key;
mod access_key_rotation;
mod access_review;
mod broad_policies;
mod cloudtrail;
mod context;
#[cfg(test)]
pub(crate) mod fixture;
mod iam_alarms;
mod instance_roles;
mod judgement;
mod needs;
mod password_policy;
mod region;
mod registry;
mod role_trust;
mod root_account;
mod trust;
mod unused_access_keys;
mod unused_passwords;
pub mod unused_permissions;
mod unused_roles;
mod unused_users;
mod user_mfa;

pub use access_analyzer::RULE as ACCESS_ANALYZER;
pub use access_key_rotation::RULE as ACCESS_KEY_ROTATION;
pub use access_review::RULE as ACCESS_REVIEW;
pub use broad_policies::RULE as BROAD_POLICIES;
pub use cloudtrail::RULE as CLOUDTRAIL;
pub use context::{Announcement, Context, Judgement, Remedy, Reminder, Standing};
pub use iam_alarms::RULE as IAM_ALARMS;
pub use instance_roles::{RULE as INSTANCE_ROLES, UNUSABLE_PROFILE};
pub use needs::{RuleNeeds, enabled, needs, reports, seen_keys};
pub use password_policy::{RULE as PASSWORD_POLICY, WEAKER_THAN_BUILT_IN};
pub use registry::{CONTROLS_FACT, Practice, REGISTRY, Rule, find};
pub use role_trust::RULE as ROLE_TRUST;
pub use root_account::RULE as ROOT_ACCOUNT;
pub use unused_access_keys::RULE as UNUSED_ACCESS_KEYS;
pub use unused_passwords::RULE as UNUSED_PASSWORDS;
pub use unused_roles::{RULE as UNUSED_ROLES, unused_roles};
pub use unused_users::RULE as UNUSED_USERS;
pub use user_mfa::{RULE as USER_MFA, users_with_mfa};
