//! The digest under which consent is given: of what decides, and of nothing else.

use serde_json::{Value, json};

use super::Config;
use crate::model::{Digest, canonical_json};

impl Config {
    /// The digest of rules, guardrails, exemptions, regions and rollout. Not of when rules run, nor of freeze, dry run, server, accounts
    /// or channels; and not of how the file writes it: every list here is a set, `"48h"` is `"2d"`.
    ///
    /// An approval holds only while it is the same.
    pub fn digest(&self) -> Digest {
        let Self {
            guardrails,
            rules,
            exemptions,
            regions,
            rollout,
            dry_run: _,
            freeze: _,
            schedule: _,
            state: _,
            server: _,
            accounts: _,
            organization: _,
            approvals: _,
            notifications: _,
            reports: _,
        } = self;
        let mut rules = json!(rules);
        for rule in rules
            .as_object_mut()
            .into_iter()
            .flat_map(|rules| rules.values_mut())
        {
            if let Some(settings) = rule.as_object_mut() {
                settings.remove("schedule");
            }
        }
        let mut decisive = json!({"guardrails": guardrails, "rules": rules, "exemptions": exemptions});
        make_sets(&mut decisive);
        // The first region is where a trail is made, so their order counts.
        let mut decisive = vec![decisive, json!(regions)];
        // Approvals of before there was a rollout stay what they are where none is declared.
        decisive.extend(rollout.as_ref().map(|rollout| {
            let mut rollout = json!(rollout);
            make_sets(&mut rollout);
            rollout
        }));
        let decisive = json!(decisive);
        Digest::of_json(&decisive)
    }
}

/// Sorts every list, and keeps each of its members once.
fn make_sets(value: &mut Value) {
    match value {
        Value::Array(members) => {
            members.iter_mut().for_each(make_sets);
            members.sort_by_cached_key(canonical_json);
            members.dedup();
        }
        Value::Object(fields) => fields.values_mut().for_each(make_sets),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::configured;
    use crate::model::Digest;

    const EXEMPTIONS: &str = r#"
        [[exemptions]]
        principals = ["user/a", "user/b"]
        rules = ["password_policy", "access_key_rotation"]
        accounts = ["000000000001", "000000000002"]
        until = "2027-01-31"
        reason = "SEC-1"
        [[exemptions]]
        principals = ["role/c"]
        rules = ["unused_permissions"]
        until = "2027-02-28"
        reason = "SEC-2"
    "#;

    fn digest(text: &str) -> Digest {
        configured(text).digest()
    }

    #[test]
    fn what_does_not_decide_does_not_count() {
        let plain = digest("");
        for text in [
            "dry_run = true",
            "freeze = true",
            "schedule.default = \"0 0 7 * * *\"",
            "rules.access_key_rotation.schedule = \"0 0 7 * * *\"",
            "server.listen = \"\"",
            "state.url = \"sqlite:/var/lib/iamwarden/state.db\"",
            "notifications.allow_http = true",
            "approvals.expire_after = \"1d\"",
            "reports.owners = true",
            "accounts = [{id = \"123456789012\"}]",
            "organization = {discover = true, exclude = [\"/Sandbox\"]}",
            "guardrails.max_plan_age = \"1d\"",
            "rules.access_key_rotation.warn_before = [\"1d\", \"7d\", \"2w\"]",
            "guardrails.protected = [\"role/aws-service-role/*\", \"user/break-glass-*\", \"user/break-glass-*\"]",
        ] {
            assert_eq!(digest(text), plain, "{text}");
        }
    }

    #[test]
    fn the_order_of_the_file_does_not_count() {
        let reordered = r#"
            exemptions = [
                {reason = "SEC-2", until = "2027-02-28", rules = ["unused_permissions"], principals = ["role/c"]},
                {principals = ["user/b", "user/a"], rules = ["access_key_rotation", "password_policy"],
                 accounts = ["000000000002", "000000000001"], until = "2027-01-31", reason = "SEC-1"},
            ]
        "#;
        assert_eq!(digest(EXEMPTIONS), digest(reordered));
        assert_ne!(digest(EXEMPTIONS), digest(""));
    }

    #[test]
    fn every_key_that_decides_counts() {
        let mut seen = vec![digest(""), digest(EXEMPTIONS)];
        for text in [
            "guardrails.max_changes_per_run = 1",
            "guardrails.max_changes_percent = 1",
            "guardrails.max_changes_per_day = 1",
            "guardrails.on_excess = \"stop\"",
            "guardrails.max_plan_age = \"1h\"",
            "guardrails.change_window = \"09:00-16:00\"",
            "guardrails.timezone = \"Europe/Berlin\"",
            "guardrails.protected = []",
            "rules.access_key_rotation.mode = \"off\"",
            "rules.access_key_rotation.max_age = \"1d\"",
            "rules.access_key_rotation.warn_before = []",
            "rules.access_key_rotation.minimum_notice = \"1d\"",
            "rules.access_key_rotation.spare_used_within = \"1d\"",
            "rules.access_key_rotation.delete_after = \"1d\"",
            "rules.unused_access_keys.mode = \"off\"",
            "rules.unused_access_keys.unused_for = \"1d\"",
            "rules.unused_access_keys.minimum_notice = \"1d\"",
            "rules.password_policy.mode = \"off\"",
            "rules.password_policy.exact = true",
            "rules.password_policy.minimum_length = 8",
            "rules.password_policy.require_uppercase = true",
            "rules.password_policy.require_uppercase = false",
            "rules.password_policy.require_lowercase = true",
            "rules.password_policy.require_numbers = true",
            "rules.password_policy.require_symbols = true",
            "rules.password_policy.allow_users_to_change = true",
            "rules.password_policy.max_age = \"1d\"",
            "rules.password_policy.reuse_prevention = 1",
            "rules.password_policy.hard_expiry = true",
            "rules.unused_permissions.mode = \"off\"",
            "rules.unused_permissions.unused_for = \"1d\"",
            "rules.unused_permissions.minimum_age = \"1d\"",
            "rules.unused_permissions.confirm_after = \"1d\"",
            "rules.unused_permissions.principals = [\"user\"]",
            "rules.unused_permissions.trust_existing = true",
            "rules.cloudtrail.mode = \"off\"",
            "rules.cloudtrail.bucket = \"xyz\"",
            "rules.cloudtrail.trail_name = \"xyz\"",
            "rules.cloudtrail = {log_group = \"x\", log_role = \"y\"}",
            "rules.cloudtrail = {log_group = \"x\", log_role = \"z\"}",
            "rules.role_trust.mode = \"off\"",
            "rules.role_trust.trusted_accounts = [\"000000000001\"]",
            "rules.broad_policies.mode = \"off\"",
            "rules.broad_policies.unused_for = \"1d\"",
            "rules.broad_policies.allow_attached_to_users = true",
            "rules.iam_alarms.mode = \"off\"",
            "rules.iam_alarms.events = [\"root_use\"]",
            "rules.iam_alarms.topic = \"security\"",
            "rules.iam_alarms.patterns = [{name = \"x\", pattern = \"{ $.a = 1 }\"}]",
            "rules.access_analyzer.mode = \"off\"",
            "rules.access_analyzer.analyzer_name = \"x\"",
            "rules.instance_roles.mode = \"off\"",
            "rules.instance_roles.default_profile = \"x\"",
            "rules.instance_roles = {default_profile = \"x\", default_role = \"y\"}",
            "rollout = {}",
            "rollout = {accounts = [\"000000000001\"]}",
            "rollout = {accounts = [\"000000000001\", \"000000000002\"]}",
            "organization.discover = true\nrollout = {units = [\"/Dev\"]}",
            "regions.include = [\"eu-central-1\", \"us-east-1\"]",
            "regions.include = [\"us-east-1\", \"eu-central-1\"]",
            "rules.user_mfa.mode = \"off\"",
            "rules.user_mfa.scope = \"all\"",
            "rules.user_mfa.minimum_notice = \"1d\"",
            "rules.user_mfa.warn_before = []",
            "rules.root_account.mode = \"off\"",
            "rules.root_account.require_hardware = true",
            "rules.root_account.recent_use = \"1d\"",
            "rules.root_account.remind_every = \"2d\"",
        ] {
            let digest = digest(text);
            assert!(!seen.contains(&digest), "{text}");
            seen.push(digest);
        }
        for (old, new) in [
            ("user/b", "user/x"),
            ("\"password_policy\"", "\"unused_access_keys\""),
            ("000000000002", "000000000003"),
            ("2027-02-28", "2027-02-27"),
            ("SEC-2", "SEC-3"),
        ] {
            let digest = digest(&EXEMPTIONS.replace(old, new));
            assert!(!seen.contains(&digest), "{new}");
            seen.push(digest);
        }
    }
}
