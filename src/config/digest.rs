//! The digest under which consent is given: of what decides, and of nothing else.

use serde_json::{Value, json};

use super::{
    AccessKeyRotation, AccessReview, BroadPolicies, Config, Exemption, Guardrails, Mode, OnExcess,
    PasswordPolicyRule, RoleTrust, Rules, UnusedAccessKeys, UnusedPermissions,
};
use crate::model::{Digest, canonical_json};

impl Config {
    /// The digest of rules, guardrails and exemptions. Not of when rules run, nor of freeze, dry run, server, accounts
    /// or channels; and not of how the file writes it: every list here is a set, `"48h"` is `"2d"`.
    ///
    /// An approval holds only while it is the same.
    pub fn digest(&self) -> Digest {
        let Self {
            guardrails,
            rules,
            exemptions,
            dry_run: _,
            freeze: _,
            schedule: _,
            state: _,
            server: _,
            accounts: _,
            approvals: _,
            notifications: _,
        } = self;
        Digest::of_json(&json!({
            "guardrails": of_guardrails(guardrails),
            "rules": of_rules(rules),
            "exemptions": set(exemptions.iter().map(of_exemption)),
        }))
    }
}

/// Sorted, and each member once.
fn set(members: impl IntoIterator<Item = Value>) -> Value {
    let mut members: Vec<_> = members.into_iter().collect();
    members.sort_by_cached_key(canonical_json);
    members.dedup();
    Value::Array(members)
}

fn texts<T: ToString>(members: impl IntoIterator<Item = T>) -> Value {
    set(members.into_iter().map(|member| text(&member)))
}

fn text<T: ToString>(value: &T) -> Value {
    Value::String(value.to_string())
}

fn optional<T: ToString>(value: Option<&T>) -> Value {
    value.map_or(Value::Null, text)
}

fn of_guardrails(guardrails: &Guardrails) -> Value {
    let Guardrails {
        max_changes_per_run,
        max_changes_percent,
        max_changes_per_day,
        on_excess,
        max_plan_age,
        change_window,
        timezone,
        protected,
    } = guardrails;
    json!({
        "max_changes_per_run": max_changes_per_run,
        "max_changes_percent": max_changes_percent,
        "max_changes_per_day": max_changes_per_day,
        "on_excess": match on_excess {
            OnExcess::Cap => "cap",
            OnExcess::Stop => "stop",
        },
        "max_plan_age": text(max_plan_age),
        "change_window": optional(change_window.as_ref()),
        "timezone": timezone.name(),
        "protected": texts(protected),
    })
}

fn of_mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Off => "off",
        Mode::Report => "report",
        Mode::Approve => "approve",
        Mode::Enforce => "enforce",
    }
}

fn of_rules(rules: &Rules) -> Value {
    let Rules {
        access_key_rotation,
        unused_access_keys,
        password_policy,
        unused_permissions,
        access_review,
        role_trust,
        broad_policies,
    } = rules;
    json!({
        "access_key_rotation": of_access_key_rotation(access_key_rotation),
        "unused_access_keys": of_unused_access_keys(unused_access_keys),
        "password_policy": of_password_policy(password_policy),
        "unused_permissions": of_unused_permissions(unused_permissions),
        "access_review": of_access_review(access_review),
        "role_trust": of_role_trust(role_trust),
        "broad_policies": of_broad_policies(broad_policies),
    })
}

fn of_access_key_rotation(rule: &AccessKeyRotation) -> Value {
    let AccessKeyRotation {
        mode,
        schedule: _,
        max_age,
        warn_before,
        minimum_notice,
        spare_used_within,
        delete_after,
    } = rule;
    json!({
        "mode": of_mode(*mode),
        "max_age": text(max_age),
        "warn_before": texts(warn_before),
        "minimum_notice": text(minimum_notice),
        "spare_used_within": text(spare_used_within),
        "delete_after": optional(delete_after.as_ref()),
    })
}

fn of_unused_access_keys(rule: &UnusedAccessKeys) -> Value {
    let UnusedAccessKeys {
        mode,
        schedule: _,
        unused_for,
        minimum_notice,
    } = rule;
    json!({
        "mode": of_mode(*mode),
        "unused_for": text(unused_for),
        "minimum_notice": text(minimum_notice),
    })
}

fn of_password_policy(rule: &PasswordPolicyRule) -> Value {
    let PasswordPolicyRule {
        mode,
        schedule: _,
        exact,
        minimum_length,
        require_uppercase,
        require_lowercase,
        require_numbers,
        require_symbols,
        allow_users_to_change,
        max_age,
        reuse_prevention,
        hard_expiry,
    } = rule;
    json!({
        "mode": of_mode(*mode),
        "exact": exact,
        "minimum_length": minimum_length,
        "require_uppercase": require_uppercase,
        "require_lowercase": require_lowercase,
        "require_numbers": require_numbers,
        "require_symbols": require_symbols,
        "allow_users_to_change": allow_users_to_change,
        "max_age": optional(max_age.as_ref()),
        "reuse_prevention": reuse_prevention,
        "hard_expiry": hard_expiry,
    })
}

fn of_unused_permissions(rule: &UnusedPermissions) -> Value {
    let UnusedPermissions {
        mode,
        schedule: _,
        unused_for,
        minimum_age,
        confirm_after,
        principals,
        trust_existing,
    } = rule;
    json!({
        "mode": of_mode(*mode),
        "unused_for": text(unused_for),
        "minimum_age": text(minimum_age),
        "confirm_after": text(confirm_after),
        "principals": texts(principals),
        "trust_existing": trust_existing,
    })
}

fn of_access_review(rule: &AccessReview) -> Value {
    let AccessReview {
        mode,
        schedule: _,
        every,
        remind_every,
    } = rule;
    json!({
        "mode": of_mode(*mode),
        "every": text(every),
        "remind_every": text(remind_every),
    })
}

fn of_role_trust(rule: &RoleTrust) -> Value {
    let RoleTrust {
        mode,
        schedule: _,
        trusted_accounts,
    } = rule;
    json!({
        "mode": of_mode(*mode),
        "trusted_accounts": texts(trusted_accounts),
    })
}

fn of_broad_policies(rule: &BroadPolicies) -> Value {
    let BroadPolicies {
        mode,
        schedule: _,
        unused_for,
        allow_attached_to_users,
    } = rule;
    json!({
        "mode": of_mode(*mode),
        "unused_for": text(unused_for),
        "allow_attached_to_users": allow_attached_to_users,
    })
}

fn of_exemption(exemption: &Exemption) -> Value {
    let Exemption {
        principals,
        rules,
        accounts,
        until,
        reason,
    } = exemption;
    json!({
        "principals": texts(principals),
        "rules": texts(rules),
        "accounts": accounts.as_ref().map_or(Value::Null, texts),
        "until": text(until),
        "reason": reason,
    })
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
            "accounts = [{id = \"123456789012\"}]",
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
            "rules.role_trust.mode = \"off\"",
            "rules.broad_policies.mode = \"off\"",
            "rules.broad_policies.unused_for = \"1d\"",
            "rules.broad_policies.allow_attached_to_users = true",
            "rules.role_trust.trusted_accounts = [\"000000000001\"]",
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
