//! What must hold after every step, whatever happened: the promises, checked against the calls that the account saw, the
//! posts that arrived and the rows in the state; never against what iamwarden believes.

use std::collections::{BTreeMap, BTreeSet};

use aws_simulator::{Call, Outcome};
use chrono::{DateTime, TimeDelta, Utc};
use iamwarden::config::{Config, Mode};
use iamwarden::model::Span;
use serde_json::{Value, json};

use crate::estate::{POLICIES, policy_arn};
use crate::installation::{ACCOUNT, Installation, at};
use crate::rows::{Decided, Intent, decided, intents, outcomes};

/// Why a promise was broken.
pub(crate) type Checked<T = ()> = Result<T, String>;

/// Where it is not so, a promise was broken.
macro_rules! hold {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err(format!($($why)+));
        }
    };
}

/// What a step was, as far as changes are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// A run of rules: it may apply what is due.
    Run,
    /// Somebody undoes what was applied.
    RollBack,
    /// Nothing may be changed.
    Nothing,
}

/// What a change is about: `user/alice` and one of its keys, policies, or its password.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    pub(crate) principal: String,
    pub(crate) subject: String,
}

/// What was there before a step.
pub(crate) struct Before {
    pub(crate) account: Value,
    pub(crate) frozen: bool,
    pub(crate) occasion: Occasion,
}

/// Who looks at everything after each step, and remembers what was so.
#[derive(Debug, Default)]
pub(crate) struct Auditor {
    last_call: u64,
    last_intent: i64,
    fencing: i64,
    /// How many changes each run tried.
    by_run: BTreeMap<String, usize>,
    /// When changes took effect, for the cap of a day.
    applied_at: Vec<DateTime<Utc>>,
    /// Before the last change of each thing, and after it.
    undo: BTreeMap<Target, (Value, Value)>,
    rolled_back: BTreeMap<Target, DateTime<Utc>>,
    /// When a key was last inactive by our doing: what was announced before is void. Of others' doing nobody need know.
    awake_since: BTreeMap<String, DateTime<Utc>>,
    disabled_by_us: BTreeMap<String, DateTime<Utc>>,
    /// What people touched while nobody knew what became of an attempt: who did it cannot be told.
    doubtful: BTreeSet<Target>,
    /// What took effect, by target and direction.
    effects: BTreeMap<(Target, String), usize>,
    /// How many changes took effect in all.
    pub(crate) changes: usize,
}

impl Auditor {
    /// Somebody touched it by hand.
    pub(crate) async fn touched(&mut self, town: &Installation, target: Target) {
        let open = intents(town, 0).await.into_iter().any(|intent| {
            intent.target == target && (intent.is_open() || intent.at > town.now() - TimeDelta::minutes(10))
        });
        if open {
            self.doubtful.insert(target.clone());
        }
        self.undo.remove(&target);
    }

    /// A request for it is still on its way, and may be carried out at any time.
    pub(crate) fn is_on_its_way(&mut self, call: &Call) {
        if let Some(target) = target(call) {
            self.doubtful.insert(target);
        }
    }

    /// Looks at what a step did.
    pub(crate) async fn check(&mut self, town: &Installation, before: &Before) -> Checked {
        let report = town
            .state()
            .verify(None)
            .await
            .map_err(|error| error.to_string())?;
        hold!(report.is_whole(), "the journal is not whole: {:?}", report.faults);
        let calls = self.new_calls(town);
        let mut fresh = intents(town, self.last_intent).await;
        for intent in &fresh {
            hold!(
                intent.fencing >= self.fencing,
                "fencing fell from {} to {}: {intent:?}",
                self.fencing,
                intent.fencing
            );
            self.fencing = intent.fencing;
            self.last_intent = intent.seq;
        }
        let mut now_there: BTreeMap<Target, Value> = BTreeMap::new();
        for call in &calls {
            let target = target(call).ok_or_else(|| {
                format!(
                    "a call that nobody expected: {} {:?}",
                    call.operation, call.parameters
                )
            })?;
            let mine = fresh.iter().position(|intent| intent.target == target);
            let mine = mine.ok_or_else(|| format!("no intent, or a second call for one: {call:?}"))?;
            let intent = fresh.remove(mine);
            let was = now_there
                .remove(&target)
                .unwrap_or_else(|| value_of(&before.account, &target));
            let config = &town.house.config;
            hold!(!config.dry_run, "changed in a dry run: {call:?}");
            if intent.is_undo() {
                self.check_undo(before, call, &intent, &was)?;
            } else {
                hold!(
                    before.occasion == Occasion::Run,
                    "applied on the occasion {:?}: {call:?}",
                    before.occasion
                );
                self.check_apply(town, before, call, &intent, &was).await?;
                let count = self.by_run.entry(intent.run.clone()).or_default();
                *count += 1;
                let cap = cap(config, &before.account);
                hold!(
                    *count <= cap,
                    "{count} changes in a run that may make {cap}: {call:?}"
                );
            }
            let is = match call.took_effect {
                true => self.took_effect(call, &intent, &was),
                false => was,
            };
            now_there.insert(target, is);
        }
        let account = town.account();
        for (target, value) in &now_there {
            let is = value_of(&account, target);
            let doubtful = self.doubtful.contains(target);
            hold!(
                doubtful || is == *value || matches_policy(&is, value),
                "{target:?} is {is}, and the calls made it {value}"
            );
            if let Some((_, left)) = self.undo.get_mut(target) {
                *left = is;
            }
        }
        Ok(())
    }

    /// Holds what took effect against what the journal says of it, once everything is settled.
    pub(crate) async fn check_settled(&self, town: &Installation) -> Checked {
        let mut applied: BTreeMap<(Target, String), usize> = BTreeMap::new();
        for intent in intents(town, 0).await {
            hold!(!intent.is_open(), "never settled: {intent:?}");
            if intent.status == "applied" {
                *applied.entry((intent.target, intent.direction)).or_default() += 1;
            }
        }
        let certain = |entry: &(&(Target, String), &usize)| !self.doubtful.contains(&entry.0.0);
        let effects: Vec<_> = self.effects.iter().filter(certain).collect();
        let applied: Vec<_> = applied.iter().filter(certain).collect();
        hold!(
            effects == applied,
            "what took effect, and what the journal has as applied: {effects:#?} {applied:#?}"
        );
        for (intent, count) in outcomes(town).await {
            hold!(count == 1, "{count} outcomes `applied` of intent {intent}");
        }
        Ok(())
    }

    fn new_calls(&mut self, town: &Installation) -> Vec<Call> {
        let mut calls = town.simulator.calls();
        calls.retain(|call| {
            call.n > self.last_call && call.mutates && !call.operation.starts_with("Generate")
        });
        self.last_call = calls.last().map_or(self.last_call, |call| call.n);
        calls
    }

    fn took_effect(&mut self, call: &Call, intent: &Intent, was: &Value) -> Value {
        let is = becomes(call, was);
        let target = intent.target.clone();
        *self
            .effects
            .entry((target.clone(), intent.direction.clone()))
            .or_default() += 1;
        self.changes += 1;
        if intent.is_undo() {
            self.undo.remove(&target);
            self.rolled_back.insert(target.clone(), call.at);
            self.awake_since.insert(target.subject, call.at);
        } else {
            self.applied_at.push(call.at);
            self.rolled_back.remove(&target);
            if call.operation == "UpdateAccessKey" {
                self.disabled_by_us.insert(target.subject.clone(), call.at);
                self.awake_since.insert(target.subject.clone(), call.at);
            }
            self.undo.insert(target, (was.clone(), is.clone()));
        }
        is
    }

    fn check_undo(&mut self, before: &Before, call: &Call, intent: &Intent, was: &Value) -> Checked {
        hold!(
            before.occasion == Occasion::RollBack,
            "undone on the occasion {:?}: {call:?}",
            before.occasion
        );
        if self.doubtful.contains(&intent.target) {
            return Ok(());
        }
        let known = self.undo.get(&intent.target);
        let (old, left) = known.ok_or_else(|| format!("undone without having been done: {call:?}"))?;
        hold!(
            was == left,
            "undone although it was {was} and not {left}: {call:?}"
        );
        let is = becomes(call, was);
        hold!(
            is == *old || matches_policy(old, &is),
            "rolled back to {is}, and it was {old}: {call:?}"
        );
        Ok(())
    }

    async fn check_apply(
        &self,
        town: &Installation,
        before: &Before,
        call: &Call,
        intent: &Intent,
        was: &Value,
    ) -> Checked {
        let config = &*town.house.config;
        let Target { principal, .. } = &intent.target;
        hold!(!config.freeze && !before.frozen, "changed in a freeze: {call:?}");
        let guardrails = &config.guardrails;
        let window = guardrails.change_window.as_ref();
        hold!(
            window.is_none_or(|window| window.contains(call.at, guardrails.timezone)),
            "changed outside of the window: {call:?}"
        );
        hold!(
            !principal.contains("break-glass"),
            "a protected principal was touched: {call:?}"
        );
        let today = self
            .applied_at
            .iter()
            .filter(|at| **at > call.at - TimeDelta::days(1));
        let today = today.count() + 1;
        hold!(
            today <= guardrails.max_changes_per_day as usize,
            "{today} changes within a day: {call:?}"
        );
        hold!(
            self.doubtful.contains(&intent.target) || becomes(call, was) != *was,
            "done twice, or for nothing: {call:?}"
        );
        let decisions = decided(town, &intent.action).await;
        let consent = self.consent(config, &decisions, call.at);
        if let Some(decision) = intent.decision {
            let named = decisions.iter().find(|decided| decided.seq == decision);
            let named = named.ok_or_else(|| format!("an approval that nobody gave: {intent:?}"))?;
            hold!(
                !named.spent,
                "an approval was spent twice: {intent:?} by {named:?}"
            );
            hold!(
                consent,
                "an approval that does not count: {intent:?} by {decisions:?}"
            );
        }
        if self.rolled_back.contains_key(&intent.target) {
            hold!(
                intent.decision.is_some(),
                "made again after a rollback without consent: {call:?}"
            );
        }
        let account = &before.account;
        let grounds: Vec<_> = grounds(self, town, account, call, &intent.target)
            .into_iter()
            .filter(|ground| !is_exempt(config, ground.rule, principal, call.at))
            .collect();
        let asked = grounds.iter().any(|ground| match ground.mode {
            Mode::Off | Mode::Report => false,
            Mode::Approve => intent.decision.is_some(),
            Mode::Enforce => true,
        });
        hold!(
            asked,
            "not due by any rule that is in force: {call:?} by {grounds:?}"
        );
        Ok(())
    }

    /// Whether enough people said yes who may, to this configuration, not too long ago.
    fn consent(&self, config: &Config, decisions: &[Decided], now: DateTime<Utc>) -> bool {
        let approvals = &config.approvals;
        let people: BTreeSet<_> = decisions
            .iter()
            .filter(|decided| {
                decided.approves && !decided.spent && decided.config == config.digest().to_string()
            })
            .filter(|decided| decided.at <= now && now < decided.counts_from + approvals.expire_after.delta())
            .filter(|decided| approvals.approvers.contains(&decided.by))
            .map(|decided| &decided.by)
            .collect();
        people.len() >= approvals.minimum_approvers as usize
    }
}

/// Why a rule may want a change.
#[derive(Debug)]
struct Ground {
    rule: &'static str,
    mode: Mode,
}

/// The rules by which the change is due at this time, and announced long enough ago.
fn grounds(
    auditor: &Auditor,
    town: &Installation,
    account: &Value,
    call: &Call,
    target: &Target,
) -> Vec<Ground> {
    let rules = &town.house.config.rules;
    let at = call.at;
    let told = |event: &str, subject: &str, notice: Span, after: Option<DateTime<Utc>>| {
        notice.is_zero() || was_told(town, event, subject, (at, at - notice.delta()), after)
    };
    let older = |from: Option<DateTime<Utc>>, than: Span| from.is_some_and(|from| at - from >= than.delta());
    let mut grounds = Vec::new();
    let mut due = |rule, mode, is_due: bool| {
        if is_due {
            grounds.push(Ground { rule, mode });
        }
    };
    let key = || key(account, &target.subject).cloned().unwrap_or_default();
    let user = &account["users"][target.principal.trim_start_matches("user/")];
    let role = &account["roles"][target.principal.trim_start_matches("role/")];
    match call.operation.as_str() {
        "UpdateAccessKey" => {
            let (key, awake) = (key(), auditor.awake_since.get(&target.subject).copied());
            let (rotation, unused) = (&rules.access_key_rotation, &rules.unused_access_keys);
            let (created, used) = (time(&key["created"]), time(&key["last_used"]["at"]));
            let spare = rotation.spare_used_within;
            let spared = !spare.is_zero() && used.is_some() && !older(used, spare);
            let announced = |notice| told("access_key.expiring", &target.subject, notice, awake);
            due(
                "access_key_rotation",
                rotation.mode,
                older(created, rotation.max_age) && !spared && announced(rotation.minimum_notice),
            );
            due(
                "unused_access_keys",
                unused.mode,
                older(created.max(used), unused.unused_for) && announced(unused.minimum_notice),
            );
        }
        "DeleteAccessKey" => {
            let (key, rotation) = (key(), &rules.access_key_rotation);
            let disabled = auditor.disabled_by_us.get(&target.subject).copied();
            let unused = time(&key["last_used"]["at"]) <= disabled;
            let wanted = rotation.delete_after;
            due(
                "access_key_rotation",
                rotation.mode,
                wanted.is_some_and(|after| older(disabled, after))
                    && unused
                    && key["status"] == "Inactive"
                    && told(
                        "access_key.deleting",
                        &target.subject,
                        rotation.minimum_notice,
                        disabled,
                    ),
            );
        }
        "UpdateAccountPasswordPolicy" => due("password_policy", rules.password_policy.mode, true),
        "DetachUserPolicy" | "DetachGroupPolicy" | "DetachRolePolicy" => {
            let unused = &rules.unused_permissions;
            let idle = holders(account, target)
                .iter()
                .all(|holder| is_idle(holder, &target.subject, |from| older(from, unused.unused_for)));
            due("unused_permissions", unused.mode, idle);
        }
        "DeleteLoginProfile" => {
            let unused = &rules.unused_passwords;
            let used = time(&user["password"]["last_used"]).max(time(&user["password"]["last_changed"]));
            // What cannot be undone needs a person, unless that was declared.
            let mode = match unused.allow_irreversible {
                true => unused.mode,
                false => unused.mode.min(Mode::Approve),
            };
            let arn = arn_of(user, "user");
            due(
                "unused_passwords",
                mode,
                older(used, unused.unused_for) && told("password.unused", &arn, unused.minimum_notice, used),
            );
        }
        "PutRolePolicy" => {
            let unused = &rules.unused_roles;
            let used = time(&role["last_used"][0]).or(time(&role["created"]));
            let arn = arn_of(role, "role");
            due(
                "unused_roles",
                unused.mode,
                older(used, unused.unused_for) && told("role.unused", &arn, unused.minimum_notice, used),
            );
        }
        _ => {}
    }
    grounds
}

/// Whether the desk accepted a message of that event by `until`, after anything that made earlier ones void, that named
/// the subject and a date that has come.
fn was_told(
    town: &Installation,
    event: &str,
    subject: &str,
    (now, until): (DateTime<Utc>, DateTime<Utc>),
    after: Option<DateTime<Utc>>,
) -> bool {
    town.desk.told(event).iter().any(|post| {
        let notices = post.body["data"]["notices"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let names = notices.iter().any(|notice| {
            notice["subject"] == subject && time(&notice["announced_for"]).is_some_and(|date| date <= now)
        });
        names && post.at <= until && after.is_none_or(|after| post.at >= after)
    })
}

/// Most changes that a run may make, by the numbers in the configuration.
fn cap(config: &Config, account: &Value) -> usize {
    let count = |kind: &str| account[kind].as_object().map_or(0, serde_json::Map::len);
    let principals = count("users") + count("groups") + count("roles");
    let guardrails = &config.guardrails;
    let share = match guardrails.max_changes_percent {
        0 => 0,
        percent => (principals * percent as usize / 100).max(1),
    };
    share.min(guardrails.max_changes_per_run as usize)
}

fn is_exempt(config: &Config, rule: &str, principal: &str, at: DateTime<Utc>) -> bool {
    let name = format!(
        "{}/{}",
        principal.split('/').next().unwrap_or_default(),
        principal.rsplit('/').next().unwrap_or_default()
    );
    config.exemptions.iter().any(|exemption| {
        at.date_naive() <= exemption.until
            && exemption.rules.iter().any(|known| known.to_string() == rule)
            && exemption.principals.iter().any(|glob| glob.to_string() == name)
    })
}

/// Whoever has a policy: a user or role itself, a group by its members.
fn holders<'a>(account: &'a Value, target: &Target) -> Vec<&'a Value> {
    let (kind, name) = target.principal.split_once('/').unwrap_or_default();
    if kind != "group" {
        return vec![&account[format!("{kind}s")][name]];
    }
    let users = account["users"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(_, user)| user);
    let is_member = |user: &&Value| {
        user["groups"]
            .as_array()
            .is_some_and(|groups| groups.iter().any(|group| group == name))
    };
    users.filter(is_member).collect()
}

fn is_idle(holder: &Value, policy: &str, older: impl Fn(Option<DateTime<Utc>>) -> bool) -> bool {
    let service = POLICIES.iter().find(|(name, _)| policy_arn(name) == policy);
    let Some((_, service)) = service else { return false };
    let used = time(&holder["used"][*service]["last"]);
    older(used.or(time(&holder["created"])))
}

fn arn_of(principal: &Value, kind: &str) -> String {
    let text = |name: &str| principal[name].as_str().unwrap_or_default();
    format!("arn:aws:iam::{ACCOUNT}:{kind}{}{}", text("path"), text("name"))
}

pub(crate) fn time(value: &Value) -> Option<DateTime<Utc>> {
    value.as_str().map(at)
}

fn key<'a>(account: &'a Value, id: &str) -> Option<&'a Value> {
    let users = account["users"].as_object()?;
    let mut keys = users
        .values()
        .filter_map(|user| user["keys"].as_array())
        .flatten();
    keys.find(|key| key["id"] == id)
}

/// What a call is about.
pub(crate) fn target(call: &Call) -> Option<Target> {
    let of = |name: &str| call.parameters.get(name).cloned();
    let principal = [("UserName", "user"), ("GroupName", "group"), ("RoleName", "role")]
        .into_iter()
        .find_map(|(parameter, kind)| Some(format!("{kind}/{}", of(parameter)?)));
    let (principal, subject) = match call.operation.as_str() {
        "UpdateAccessKey" | "DeleteAccessKey" => (principal?, of("AccessKeyId")?),
        "UpdateAccountPasswordPolicy" | "DeleteAccountPasswordPolicy" => {
            ("root".to_owned(), "password-policy".to_owned())
        }
        "DeleteLoginProfile" => (principal?, "console-password".to_owned()),
        "PutRolePolicy" | "DeleteRolePolicy" => (principal?, of("PolicyName")?),
        operation if operation.starts_with("Detach") || operation.starts_with("Attach") => {
            (principal?, of("PolicyArn")?)
        }
        _ => return None,
    };
    Some(Target { principal, subject })
}

/// How the thing is that a change is about.
pub(crate) fn value_of(account: &Value, target: &Target) -> Value {
    let Target { principal, subject } = target;
    let (kind, name) = principal.split_once('/').unwrap_or(("", principal));
    let principal = &account[format!("{kind}s")][name];
    match subject.as_str() {
        "password-policy" => account["password_policy"].clone(),
        "console-password" => json!(!principal["password"].is_null()),
        subject if subject.starts_with("AKIA") => {
            key(account, subject).map_or(Value::Null, |key| key["status"].clone())
        }
        subject if subject.starts_with("arn:") => {
            let attached = principal["attached"].as_array();
            json!(attached.is_some_and(|attached| attached.iter().any(|arn| arn == subject)))
        }
        subject => principal["inline"][subject].clone(),
    }
}

/// What a call makes of it.
fn becomes(call: &Call, was: &Value) -> Value {
    let of = |name: &str| json!(call.parameters.get(name));
    match call.operation.as_str() {
        "UpdateAccessKey" => of("Status"),
        "DeleteAccessKey" | "DeleteAccountPasswordPolicy" | "DeleteRolePolicy" => Value::Null,
        "DeleteLoginProfile" => json!(false),
        "PutRolePolicy" => of("PolicyDocument"),
        "UpdateAccountPasswordPolicy" => {
            let mut policy = match was.is_object() {
                true => was.clone(),
                false => json!({}),
            };
            let length = call.parameters.get("MinimumPasswordLength");
            policy["minimum_password_length"] = json!(length.and_then(|text| text.parse::<u32>().ok()));
            policy["require_symbols"] = json!(
                call.parameters
                    .get("RequireSymbols")
                    .is_some_and(|text| text == "true")
            );
            policy
        }
        operation => json!(operation.starts_with("Attach")),
    }
}

/// Whether two password policies agree in what the estates differ in.
fn matches_policy(one: &Value, other: &Value) -> bool {
    let known = ["minimum_password_length", "require_symbols"];
    one.is_object() && other.is_object() && known.iter().all(|name| one[*name] == other[*name])
}

/// Whether a call waits for its answer still.
pub(crate) fn is_pending(call: &Call) -> bool {
    call.outcome == Outcome::Pending
}
