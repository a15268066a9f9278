//! Questions that others ask the configuration.

use chrono::{DateTime, Utc};

use super::{Config, Mode, Notifications, OwnerEntry, Rules, Schedule};
use crate::model::{Owner, RuleName};

/// How somebody is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route<'a> {
    /// The name of a declared channel; `None`: there is none.
    pub channel: Option<&'a str>,
    /// How the channel mentions the owner, in its own markup.
    pub mention: Option<&'a str>,
}

impl Notifications {
    /// How an owner is reached: by the first `match` that fits, else by the default channel, where nobody is
    /// mentioned. What has no owner goes to the default channel.
    pub fn route(&self, owner: Option<&Owner>) -> Route<'_> {
        let matching = owner.and_then(|owner| {
            self.owners.iter().find_map(|entry| match entry {
                OwnerEntry::Route(route) if route.pattern.matches(&owner.0) => Some(route),
                OwnerEntry::Route(_) | OwnerEntry::Map(_) => None,
            })
        });
        match matching {
            Some(route) => Route {
                channel: Some(&route.channel),
                mention: route.mention.as_deref(),
            },
            None => Route {
                channel: self.default_channel.as_deref(),
                mention: None,
            },
        }
    }
}

impl Rules {
    /// The names of all rules, as in `[rules.*]`, exemptions and `--rule`.
    pub const NAMES: [&'static str; 16] = [
        "access_analyzer",
        "access_key_rotation",
        "access_review",
        "broad_policies",
        "cloudtrail",
        "iam_alarms",
        "instance_roles",
        "password_policy",
        "role_trust",
        "root_account",
        "unused_access_keys",
        "unused_passwords",
        "unused_permissions",
        "unused_roles",
        "unused_users",
        "user_mfa",
    ];

    /// What a rule may do, and its own schedule; `None`: there is no rule of that name.
    fn common(&self, rule: &RuleName) -> Option<(Mode, Option<&Schedule>)> {
        let Self {
            access_key_rotation,
            unused_access_keys,
            password_policy,
            unused_permissions,
            access_review,
            role_trust,
            cloudtrail,
            user_mfa,
            root_account,
            unused_passwords,
            unused_users,
            unused_roles,
            broad_policies,
            iam_alarms,
            access_analyzer,
            instance_roles,
        } = self;
        match rule.as_str() {
            "access_key_rotation" => Some((access_key_rotation.mode, access_key_rotation.schedule.as_ref())),
            "unused_access_keys" => Some((unused_access_keys.mode, unused_access_keys.schedule.as_ref())),
            "password_policy" => Some((password_policy.mode, password_policy.schedule.as_ref())),
            "unused_permissions" => Some((unused_permissions.mode, unused_permissions.schedule.as_ref())),
            "access_review" => Some((access_review.mode, access_review.schedule.as_ref())),
            "role_trust" => Some((role_trust.mode, role_trust.schedule.as_ref())),
            "cloudtrail" => Some((cloudtrail.mode, cloudtrail.schedule.as_ref())),
            "user_mfa" => Some((user_mfa.mode, user_mfa.schedule.as_ref())),
            "root_account" => Some((root_account.mode, root_account.schedule.as_ref())),
            "unused_passwords" => Some((unused_passwords.mode, unused_passwords.schedule.as_ref())),
            "unused_users" => Some((unused_users.mode, unused_users.schedule.as_ref())),
            "unused_roles" => Some((unused_roles.mode, unused_roles.schedule.as_ref())),
            "broad_policies" => Some((broad_policies.mode, broad_policies.schedule.as_ref())),
            "iam_alarms" => Some((iam_alarms.mode, iam_alarms.schedule.as_ref())),
            "access_analyzer" => Some((access_analyzer.mode, access_analyzer.schedule.as_ref())),
            "instance_roles" => Some((instance_roles.mode, instance_roles.schedule.as_ref())),
            _ => None,
        }
    }

    /// What a rule may do; `None`: there is no rule of that name.
    pub fn mode(&self, rule: &RuleName) -> Option<Mode> {
        self.common(rule).map(|(mode, _)| mode)
    }
}

impl Config {
    /// When a rule runs: by its own schedule, else by the default one; `None`: there is no rule of that name.
    pub fn schedule_of(&self, rule: &RuleName) -> Option<&Schedule> {
        let (_, own) = self.rules.common(rule)?;
        Some(own.unwrap_or(&self.schedule.default))
    }

    /// The rules that are not off and whose schedule has no time left after `now`, such as one of a year that is past.
    pub fn rules_never_due(&self, now: DateTime<Utc>) -> Vec<RuleName> {
        let names = Rules::NAMES.into_iter().map(RuleName::new);
        names
            .filter(|rule| self.rules.mode(rule).is_some_and(|mode| mode != Mode::Off))
            .filter(|rule| {
                self.schedule_of(rule)
                    .is_some_and(|schedule| schedule.next_after(now).is_none())
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::configured;

    #[test]
    fn every_rule_has_a_mode_and_a_schedule() {
        let config = configured(
            r#"
            [rules.password_policy]
            mode = "enforce"
            schedule = "0 30 5 * * Mon"
            "#,
        );
        let keys = serde_json::to_value(&config.rules).unwrap();
        let mut keys: Vec<_> = keys.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        assert_eq!(keys, Rules::NAMES);
        for name in Rules::NAMES {
            let rule = RuleName::new(name);
            let expected = match name {
                "password_policy" => (Mode::Enforce, "0 30 5 * * Mon"),
                _ => (Mode::Report, "0 0 6 * * *"),
            };
            let found = (
                config.rules.mode(&rule),
                config.schedule_of(&rule).map(Schedule::as_str),
            );
            assert_eq!(found, (Some(expected.0), Some(expected.1)), "{name}");
        }
        let unknown = RuleName::new("access_keys");
        assert_eq!(
            (config.rules.mode(&unknown), config.schedule_of(&unknown)),
            (None, None)
        );
    }

    #[test]
    fn a_schedule_of_a_past_year_is_never_due() {
        let config = configured(
            r#"
            [rules.access_key_rotation]
            schedule = "0 0 6 1 Jan * 2026"
            [rules.unused_permissions]
            mode = "off"
            schedule = "0 0 6 1 Jan * 2026"
            "#,
        );
        let at = |text: &str| config.rules_never_due(text.parse().unwrap());
        assert_eq!(at("2025-12-31T00:00:00Z"), []);
        assert_eq!(at("2026-11-23T00:00:00Z"), [RuleName::new("access_key_rotation")]);
    }

    #[test]
    fn the_first_match_reaches_an_owner_else_the_default_channel() {
        let config = configured(
            r#"
            [notifications]
            default_channel = "secops"
            [[notifications.channels]]
            name = "secops"
            kind = "slack"
            url = "env:SECOPS_URL"
            [[notifications.channels]]
            name = "platform"
            kind = "teams"
            url = "env:PLATFORM_URL"
            [[notifications.owners]]
            principals = ["user/ci-*"]
            owner = "platform@example.com"
            [[notifications.owners]]
            match = "alice@example.com"
            channel = "platform"
            mention = "<at>Alice</at>"
            [[notifications.owners]]
            match = "*@example.com"
            channel = "platform"
            "#,
        );
        let route = |owner: Option<&str>| {
            let owner = owner.map(|name| Owner(name.to_owned()));
            let Route { channel, mention } = config.notifications.route(owner.as_ref());
            (channel.map(str::to_owned), mention.map(str::to_owned))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            route(Some("Alice@example.com")),
            (some("platform"), some("<at>Alice</at>"))
        );
        assert_eq!(route(Some("bob@example.com")), (some("platform"), None));
        assert_eq!(route(Some("carol@example.org")), (some("secops"), None));
        assert_eq!(route(None), (some("secops"), None));
        let built_in = Config::built_in().unwrap();
        assert_eq!(
            built_in.notifications.route(None),
            Route {
                channel: None,
                mention: None
            }
        );
    }
}
