//! `iamwarden permissions`: the least IAM policy that the enabled rules and modes need.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::opening::Opening;
use super::{Exit, print};
use crate::aws::{operation, permissions};
use crate::config::{Config, Mode, SecretReference};
use crate::model::{ChangeKind, Partition};
use crate::rules;

/// Needed to hand a role to a service; no operation of its own.
const PASS_ROLE: &str = "iam:PassRole";
/// Needed to make the first analyzer of an account; no operation of its own.
const CREATE_SERVICE_LINKED_ROLE: &str = "iam:CreateServiceLinkedRole";

pub(super) fn run(opening: &Opening, member: bool, rollback: bool) -> anyhow::Result<Exit> {
    let config = opening.load()?.config;
    let part = match (member, rollback) {
        (_, true) => Part::Rollback,
        (true, false) => Part::Member,
        (false, false) => Part::Whole,
    };
    print(&format!("{:#}\n", policy(&config, part)))?;
    Ok(Exit::Ok)
}

/// Which role the policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The daemon's own.
    Whole,
    /// The one assumed in a member account.
    Member,
    /// The one assumed for `rollback` only.
    Rollback,
}

pub(super) fn policy(config: &Config, part: Part) -> Value {
    let partition = config
        .accounts
        .iter()
        .find_map(|account| account.role_arn.as_ref().map(crate::model::Arn::partition));
    let partition = partition.unwrap_or_else(|| Partition::new("aws"));
    let mut statements = Vec::new();
    let assumes =
        !config.accounts.is_empty() && config.accounts.iter().all(|account| account.role_arn.is_some());
    // Of an organization, the account that iamwarden runs in is looked after by its own role.
    let works_here = part != Part::Whole || !assumes || config.organization.discover;
    if part == Part::Rollback {
        statements.extend(undoing(config));
    } else if works_here {
        statements.push(allow("Read", reads(config), json!("*")));
        let writes: BTreeSet<_> = changes(config)
            .into_iter()
            .flat_map(permissions::writes)
            .copied()
            .collect();
        if !writes.is_empty() {
            statements.push(allow("Change", writes.iter().copied(), json!("*")));
            statements.extend(never(config, &partition, &writes));
        }
        statements.extend(passing_log_role(config, &partition));
        statements.extend(serving_access_analyzer(config, &partition));
        statements.extend(passing_instance_role(config, &partition));
    }
    if part == Part::Whole {
        if config.organization.discover {
            let discovers = permissions::discovery(config.needs_units());
            statements.push(allow("Discover", discovers.iter().copied(), json!("*")));
        }
        statements.extend(roles(config, &partition));
        statements.extend(secrets(config, &partition));
    }
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn allow<'a>(sid: &str, actions: impl IntoIterator<Item = &'a str>, resource: Value) -> Value {
    let actions: BTreeSet<_> = actions.into_iter().collect();
    json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource})
}

/// What no rule ever changes, said to AWS as well: protected principals, and the roles that iamwarden itself runs as.
fn never(config: &Config, partition: &Partition, writes: &BTreeSet<&'static str>) -> Option<Value> {
    let mut resources = BTreeSet::new();
    for pattern in &config.guardrails.protected {
        let pattern = pattern.as_str();
        if pattern.starts_with("instance/") {
            resources.insert(format!("arn:{partition}:ec2:*:*:{pattern}"));
            continue;
        }
        resources.insert(format!("arn:{partition}:iam::*:{pattern}"));
        // The name without its path is tried too.
        if let Some((kind, name)) = pattern.split_once('/').filter(|(_, name)| !name.contains('/')) {
            resources.insert(format!("arn:{partition}:iam::*:{kind}/*/{name}"));
        }
    }
    for account in &config.accounts {
        let own = [&account.role_arn, &account.rollback_role_arn];
        resources.extend(own.into_iter().flatten().map(ToString::to_string));
    }
    resources.extend(discovered_roles(config, partition));
    (!resources.is_empty())
        .then(|| json!({"Sid": "Never", "Effect": "Deny", "Action": writes, "Resource": resources}))
}

/// All that is called in an account: what is read, and what the modes allow to change.
pub(super) fn needed(config: &Config) -> BTreeSet<&'static str> {
    let writes = changes(config).into_iter().flat_map(permissions::writes).copied();
    let partition = Partition::new("aws");
    let passing = [
        passing_log_role(config, &partition),
        passing_instance_role(config, &partition),
    ];
    let passes = passing.iter().any(Option::is_some).then_some(PASS_ROLE);
    reads(config).into_iter().chain(writes).chain(passes).collect()
}

/// What the rules that are on read, and what is read again right before a change that they may make.
fn reads(config: &Config) -> BTreeSet<&'static str> {
    let needs = rules::needs(config, &crate::model::History::default(), &[]);
    let regional = needs.regional.unwrap_or_default();
    let flags = permissions::Reads {
        keys: needs.keys.is_some(),
        passwords: needs.passwords,
        password_policy: needs.password_policy,
        last_accessed: needs.policies,
        sign_in: needs.sign_in.is_some(),
        root: needs.root,
        virtual_mfa_devices: needs.virtual_mfa_devices,
        idle_passwords: needs.idle.is_some(),
        idle_users: needs.idle.is_some_and(|idle| idle.user_unused_for.is_some()),
        trails: regional.trails,
        buckets: regional.buckets,
        alarms: regional.alarms,
        analyzers: regional.analyzers,
        unused_access: regional.unused_access,
        instances: regional.instances,
    };
    let again = changes(config)
        .into_iter()
        .flat_map(permissions::rereads)
        .copied();
    permissions::reads(flags).into_iter().chain(again).collect()
}

/// The kinds of change that rules in `approve` and `enforce` may make.
fn changes(config: &Config) -> BTreeSet<ChangeKind> {
    let acting = rules::REGISTRY.iter().filter(|rule| match (rule.mode)(config) {
        Mode::Approve | Mode::Enforce => true,
        Mode::Off | Mode::Report => false,
    });
    acting.flat_map(|rule| (rule.changes)(config)).collect()
}

/// Undoing: the inverses, and the reads around them. Attaching is an administrator's right, so it stands apart.
fn undoing(config: &Config) -> Vec<Value> {
    let kinds = changes(config);
    let reads: BTreeSet<_> = kinds
        .iter()
        .copied()
        .flat_map(permissions::inverse_rereads)
        .copied()
        .collect();
    let inverses: BTreeSet<_> = kinds
        .into_iter()
        .flat_map(permissions::inverse)
        .copied()
        .collect();
    if inverses.is_empty() {
        return Vec::new();
    }
    vec![
        allow("Read", reads, json!("*")),
        allow("Undo", inverses, json!("*")),
    ]
}

/// Giving a trail a log group hands CloudTrail the role by which it writes there.
fn passing_log_role(config: &Config, partition: &Partition) -> Option<Value> {
    let acts = changes(config).contains(&ChangeKind::UpdateTrail);
    let role = config.rules.cloudtrail.log_role.as_ref().filter(|_| acts)?;
    let resource = json!([format!("arn:{partition}:iam::*:role/{role}")]);
    let mut statement = allow("PassLogRole", [PASS_ROLE], resource);
    statement["Condition"] = json!({"StringEquals": {"iam:PassedToService": "cloudtrail.amazonaws.com"}});
    Some(statement)
}

/// The first analyzer of an account makes the role by which Access Analyzer reads there.
fn serving_access_analyzer(config: &Config, partition: &Partition) -> Option<Value> {
    changes(config).contains(&ChangeKind::CreateAnalyzer).then(|| {
        let role = "aws-service-role/access-analyzer.amazonaws.com/AWSServiceRoleForAccessAnalyzer";
        let resource = json!([format!("arn:{partition}:iam::*:role/{role}")]);
        let mut statement = allow("ServeAccessAnalyzer", [CREATE_SERVICE_LINKED_ROLE], resource);
        statement["Condition"] =
            json!({"StringEquals": {"iam:AWSServiceName": "access-analyzer.amazonaws.com"}});
        statement
    })
}

/// Giving an instance a profile hands EC2 the role in it. Where the role is not declared, it may be any.
fn passing_instance_role(config: &Config, partition: &Partition) -> Option<Value> {
    if !changes(config).contains(&ChangeKind::AssociateInstanceProfile) {
        return None;
    }
    let role = config.rules.instance_roles.default_role.as_deref().unwrap_or("*");
    let resource = json!([format!("arn:{partition}:iam::*:role/{role}")]);
    let service = match partition.as_str() {
        "aws-cn" => "ec2.amazonaws.com.cn",
        _ => "ec2.amazonaws.com",
    };
    let mut statement = allow("PassInstanceRole", [PASS_ROLE], resource);
    statement["Condition"] = json!({"StringEquals": {"iam:PassedToService": service}});
    Some(statement)
}

/// The roles that are assumed in accounts that are discovered: which those are, nobody knows beforehand.
fn discovered_roles(config: &Config, partition: &Partition) -> Vec<String> {
    let organization = &config.organization;
    if !organization.discover {
        return Vec::new();
    }
    let names = [
        Some(organization.role_name.as_str()),
        organization.rollback_role_name.as_deref(),
    ];
    let names = names.into_iter().flatten();
    names
        .map(|name| format!("arn:{partition}:iam::*:role/{name}"))
        .collect()
}

fn roles(config: &Config, partition: &Partition) -> Option<Value> {
    let roles = config
        .accounts
        .iter()
        .flat_map(|account| [&account.role_arn, &account.rollback_role_arn]);
    let mut roles: BTreeSet<_> = roles.flatten().map(ToString::to_string).collect();
    roles.extend(discovered_roles(config, partition));
    (!roles.is_empty()).then(|| allow("AssumeRoles", [operation::ASSUME_ROLE], json!(roles)))
}

fn secrets(config: &Config, partition: &Partition) -> Option<Value> {
    let channels = config.notifications.channels.iter().flat_map(|channel| {
        let signing = channel.signing_secret.as_ref();
        [Some(&channel.url), channel.secret.as_ref(), signing]
    });
    let sign_in = std::iter::once(config.server.auth.oidc.client_secret.as_ref());
    let external = config.accounts.iter().map(|account| account.external_id.as_ref());
    let external = external.chain([config.organization.external_id.as_ref()]);
    let state = config.state.secret().and_then(Result::ok);
    let names: BTreeSet<_> = channels
        .chain(external)
        .chain(sign_in)
        .chain([state.as_ref()])
        .flatten()
        .filter_map(|reference| match reference {
            SecretReference::SecretsManager { name, .. } if name.starts_with("arn:") => Some(name.clone()),
            // The service appends six characters to the name.
            SecretReference::SecretsManager { name, .. } => {
                Some(format!("arn:{partition}:secretsmanager:*:*:secret:{name}-??????"))
            }
            SecretReference::Env(_) | SecretReference::File(_) => None,
        })
        .collect();
    (!names.is_empty()).then(|| allow("Secrets", [operation::GET_SECRET_VALUE], json!(names)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(policy: &Value, sid: &str) -> Option<Value> {
        let statements = policy["Statement"].as_array().unwrap();
        statements
            .iter()
            .find(|statement| statement["Sid"] == sid)
            .cloned()
    }

    #[test]
    fn the_secrets_that_sign_clicks_and_sign_ins_may_be_read() {
        let text = r#"
            [[notifications.channels]]
            name = "secops"
            kind = "slack"
            url = "env:SLACK_URL"
            signing_secret = "secretsmanager:iamwarden/slack#signing"
        "#;
        let loaded = crate::config::load_text(
            std::path::Path::new("iamwarden.toml"),
            text,
            &crate::config::Environment::empty(),
        );
        let mut config = loaded.unwrap().config;
        let named = |config: &Config| policy(config, Part::Whole).to_string();
        assert!(named(&config).contains("secret:iamwarden/slack-??????"));
        config.server.auth.oidc.client_secret =
            Some(SecretReference::parse("secretsmanager:iamwarden/oidc").unwrap());
        assert!(named(&config).contains("secret:iamwarden/oidc-??????"));
    }

    #[test]
    fn making_analyzers_takes_the_role_of_their_service_and_no_other() {
        let mut config = Config::built_in().unwrap();
        for rule in rules::REGISTRY {
            assert_eq!((rule.mode)(&config), Mode::Report, "{}", rule.name);
        }
        let reading = policy(&config, Part::Whole);
        let read = statement(&reading, "Read").unwrap()["Action"].to_string();
        for action in ["ListAnalyzers", "ListFindings", "GetFinding"] {
            assert!(read.contains(&format!("\"access-analyzer:{action}\"")), "{read}");
        }
        assert_eq!(statement(&reading, "Change"), None);
        assert_eq!(statement(&reading, "ServeAccessAnalyzer"), None);
        config.rules.access_analyzer.mode = Mode::Approve;
        let acting = policy(&config, Part::Whole);
        assert_eq!(
            statement(&acting, "Change").unwrap()["Action"],
            json!(["access-analyzer:CreateAnalyzer"])
        );
        insta::assert_json_snapshot!(statement(&acting, "ServeAccessAnalyzer").unwrap(), @r#"
        {
          "Action": [
            "iam:CreateServiceLinkedRole"
          ],
          "Condition": {
            "StringEquals": {
              "iam:AWSServiceName": "access-analyzer.amazonaws.com"
            }
          },
          "Effect": "Allow",
          "Resource": [
            "arn:aws:iam::*:role/aws-service-role/access-analyzer.amazonaws.com/AWSServiceRoleForAccessAnalyzer"
          ],
          "Sid": "ServeAccessAnalyzer"
        }
        "#);
        let undoing = policy(&config, Part::Rollback);
        assert_eq!(
            (
                statement(&undoing, "Read").unwrap()["Action"].clone(),
                statement(&undoing, "Undo").unwrap()["Action"].clone()
            ),
            (
                json!(["access-analyzer:ListAnalyzers"]),
                json!(["access-analyzer:DeleteAnalyzer"])
            )
        );
    }
}
