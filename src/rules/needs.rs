//! What has to be read for the rules that are on, and no more.

use std::collections::{BTreeMap, BTreeSet};

use super::{Context, REGISTRY, broad_policies, unused_permissions};
use crate::config::{Config, MfaScope, Mode};
use crate::inventory::{
    Authorization, Granularity, IdleNeeds, KeyNeeds, Reading, RegionalNeeds, SignInOf, Snapshot,
};
use crate::model::{Arn, History, KeyStatus, Observation, PrincipalKind, RuleName, Span};

/// The rules that are on, and selected (an empty selection is all of them).
pub fn enabled(config: &Config, selected: &[String]) -> Vec<RuleName> {
    let wanted = |name: &str| selected.is_empty() || selected.iter().any(|s| s == name);
    let on = REGISTRY
        .iter()
        .filter(|rule| (rule.mode)(config) != Mode::Off && wanted(rule.name));
    on.map(super::Rule::rule_name).collect()
}

/// What the account has to be asked for, besides its users, groups and roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleNeeds {
    /// Access keys, near these limits.
    pub keys: Option<KeyNeeds>,
    /// The ages of console passwords.
    pub passwords: bool,
    /// The account password policy.
    pub password_policy: bool,
    /// Managed policies and their use.
    pub policies: bool,
    /// What lives in regions.
    pub regional: Option<RegionalNeeds>,
    /// How users sign in to the console, and with which MFA devices.
    pub sign_in: Option<SignInOf>,
    /// The root user.
    pub root: bool,
    /// Virtual MFA devices, assigned or not.
    pub virtual_mfa_devices: bool,
    /// Passwords that rest, and what else users have who rest.
    pub idle: Option<IdleNeeds>,
}

/// What the rules that are on, and selected, have to know.
pub fn needs(config: &Config, history: &History, selected: &[String]) -> RuleNeeds {
    let on = enabled(config, selected);
    let is_on = |rule: &RuleName| on.contains(rule);
    let rotation = is_on(&super::ACCESS_KEY_ROTATION).then_some(&config.rules.access_key_rotation);
    let unused = is_on(&super::UNUSED_ACCESS_KEYS).then_some(&config.rules.unused_access_keys);
    let users = is_on(&super::UNUSED_USERS).then_some(&config.rules.unused_users);
    let passwords = is_on(&super::UNUSED_PASSWORDS).then_some(&config.rules.unused_passwords);
    let key_unused_for = [
        unused.map(|settings| settings.unused_for),
        users.map(|settings| settings.unused_for),
    ];
    let keys = (rotation.is_some() || unused.is_some() || users.is_some()).then(|| {
        let deleting = rotation.is_some_and(|settings| settings.delete_after.is_some());
        KeyNeeds {
            oldest_harmless_age: rotation.map_or(Span::LONGEST, |settings| {
                let warning = settings.warn_before.iter().max().copied().unwrap_or(Span::ZERO);
                Span::from_seconds(settings.max_age.seconds().saturating_sub(warning.seconds()))
            }),
            unused_for: key_unused_for.into_iter().flatten().min(),
            live_users: live_users(history, deleting),
        }
    });
    let sign_in = is_on(&super::USER_MFA).then_some(match config.rules.user_mfa.scope {
        MfaScope::Console => SignInOf::ConsoleUsers,
        MfaScope::All => SignInOf::Everyone,
    });
    let root = is_on(&super::ROOT_ACCOUNT);
    let password_unused_for = [
        passwords.map(|settings| settings.unused_for),
        users.map(|settings| settings.unused_for),
    ];
    let idle = password_unused_for
        .into_iter()
        .flatten()
        .min()
        .map(|password_unused_for| IdleNeeds {
            password_unused_for,
            user_unused_for: users.map(|settings| settings.unused_for),
        });
    RuleNeeds {
        idle,
        keys,
        passwords: is_on(&super::PASSWORD_POLICY) && could_lock_out(config),
        password_policy: is_on(&super::PASSWORD_POLICY),
        policies: is_on(&unused_permissions::NAME) || is_on(&super::BROAD_POLICIES),
        regional: regional(config, &on),
        sign_in,
        root,
        virtual_mfa_devices: sign_in.is_some() || (root && config.rules.root_account.require_hardware),
    }
}

/// What has to be known of which regions, where any rule looks there.
fn regional(config: &Config, on: &[RuleName]) -> Option<RegionalNeeds> {
    let (buckets, alarms) = (on.contains(&super::CLOUDTRAIL), on.contains(&super::IAM_ALARMS));
    let (trails, instances) = (buckets || alarms, on.contains(&super::INSTANCE_ROLES));
    let analyzers = on.contains(&super::ACCESS_ANALYZER);
    // Further evidence for other rules, also where only they were selected.
    let unused_access = config.rules.access_analyzer.mode != Mode::Off
        && (on.contains(&unused_permissions::NAME) || on.contains(&super::UNUSED_ROLES));
    (trails || instances || analyzers || unused_access).then(|| RegionalNeeds {
        regions: config.regions.include.clone(),
        trails,
        buckets,
        alarms,
        analyzers,
        unused_access,
        instances,
    })
}

/// Whose use of services is to be read once the account is known, and how finely: what any of the rules that are on, and
/// selected, can draw a conclusion from. The context's snapshot says who reads, and where.
pub fn reports(
    ctx: &Context<'_>,
    selected: &[String],
    authorization: &Authorization,
) -> BTreeMap<Arn, Granularity> {
    let on = enabled(ctx.config, selected);
    let mut reports = BTreeMap::new();
    if on.contains(&unused_permissions::NAME) {
        let by_service = unused_permissions::needs(ctx, authorization);
        reports.extend(by_service.into_iter().map(|arn| (arn, Granularity::Service)));
    }
    if on.contains(&super::BROAD_POLICIES) {
        for (arn, granularity) in broad_policies::needs(ctx, authorization) {
            let known = reports.entry(arn).or_insert(granularity);
            *known = (*known).max(granularity);
        }
    }
    reports
}

/// Users whose keys are read live in any case: those told of a date, since a key that was inactive in between needs a new
/// notice and the report does not say which of two keys was; and those with a key that waits for its deletion.
fn live_users(history: &History, deleting: bool) -> BTreeSet<Arn> {
    let waiting = history
        .disabled_keys
        .values()
        .map(|key| &key.user)
        .filter(|_| deleting);
    let told = history
        .told_of
        .iter()
        .filter(|arn| arn.principal_kind() == Some(PrincipalKind::User));
    waiting.chain(told).cloned().collect()
}

/// Ages of passwords only matter where the declared policy can add or lower an expiry, or turn HardExpiry on.
fn could_lock_out(config: &Config) -> bool {
    let settings = &config.rules.password_policy;
    settings.max_age.is_some() || settings.hard_expiry == Some(true)
}

/// What this reading shows of keys, to be remembered: those inactive, since what their owners were told before does not
/// count once they are active again; and of those that iamwarden had disabled, the ones that somebody enabled.
pub fn seen_keys(snapshot: &Snapshot, history: &History) -> BTreeSet<Observation> {
    let users = snapshot.authorization.known().into_iter().flat_map(|a| &a.users);
    let credentials = users.filter_map(|user| user.credentials.as_ref().and_then(Reading::known));
    let keys = credentials.flat_map(|credentials| &credentials.access_keys);
    let seen = keys.filter_map(|key| {
        let access_key_id = key.id.clone()?;
        match key.status {
            KeyStatus::Inactive => Some(Observation::InactiveKey { access_key_id }),
            KeyStatus::Active if history.disabled_keys.contains_key(&access_key_id) => {
                Some(Observation::ActiveKey { access_key_id })
            }
            KeyStatus::Active | KeyStatus::Expired | KeyStatus::Other(_) => None,
        }
    });
    seen.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::fixture::{config, days, key, key_id, now, snapshot, user, user_arn};

    #[test]
    fn who_was_told_of_a_date_is_read_live() {
        let mut history = History::default();
        history.told_of.insert(user_arn("alice"));
        let disabled = crate::model::DisabledKey {
            user: user_arn("bob"),
            at: now() - days(3),
        };
        history.disabled_keys.insert(key_id(1), disabled);
        let mut rotation = config(Mode::Enforce);
        let keys = |config: &Config| needs(config, &history, &[]).keys.unwrap();
        assert_eq!(keys(&rotation).live_users, BTreeSet::from([user_arn("alice")]));
        rotation.rules.access_key_rotation.delete_after = Some(Span::from_days(30));
        assert_eq!(
            keys(&rotation).live_users,
            BTreeSet::from([user_arn("alice"), user_arn("bob")])
        );
        assert_eq!(keys(&rotation).oldest_harmless_age, Span::from_days(76));
    }

    #[test]
    fn inactive_keys_and_those_enabled_again_are_remembered() {
        let mut inactive = key(2, 10, None);
        inactive.status = KeyStatus::Inactive;
        let keys = vec![key(1, 10, None), inactive];
        let read = snapshot(vec![user("alice", keys), user("bob", vec![key(3, 10, None)])]);
        let mut history = History::default();
        let disabled = crate::model::DisabledKey {
            user: user_arn("alice"),
            at: now() - days(3),
        };
        history.disabled_keys.insert(key_id(1), disabled);
        let expected = [
            Observation::ActiveKey {
                access_key_id: key_id(1),
            },
            Observation::InactiveKey {
                access_key_id: key_id(2),
            },
        ];
        assert_eq!(seen_keys(&read, &history), BTreeSet::from(expected));
    }

    #[test]
    fn what_no_rule_needs_is_not_read() {
        let off = needs(&config(Mode::Off), &History::default(), &[]);
        assert_eq!(
            off,
            RuleNeeds {
                keys: None,
                passwords: false,
                password_policy: false,
                policies: false,
                regional: None,
                idle: None,
                sign_in: None,
                root: false,
                virtual_mfa_devices: false,
            }
        );
        let other = needs(
            &config(Mode::Enforce),
            &History::default(),
            &["password_policy".to_owned()],
        );
        assert_eq!(other.keys, None);
    }

    #[test]
    fn virtual_devices_are_listed_for_users_and_for_hardware() {
        let mut config = config(Mode::Off);
        let asked = |config: &Config| {
            let needs = needs(config, &History::default(), &[]);
            (needs.sign_in, needs.root, needs.virtual_mfa_devices)
        };
        config.rules.root_account.mode = Mode::Report;
        assert_eq!(asked(&config), (None, true, false));
        config.rules.root_account.require_hardware = true;
        assert_eq!(asked(&config), (None, true, true));
        config.rules.root_account.mode = Mode::Off;
        config.rules.user_mfa.mode = Mode::Report;
        assert_eq!(asked(&config), (Some(SignInOf::ConsoleUsers), false, true));
        config.rules.user_mfa.scope = MfaScope::All;
        assert_eq!(asked(&config), (Some(SignInOf::Everyone), false, true));
    }
}
