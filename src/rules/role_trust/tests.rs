//! Trust policies, and what is said of them.

use super::*;
use crate::config::{Config, Mode};
use crate::inventory::{Reading, Snapshot};
use crate::model::{Arn, Glob, History};
use crate::rules::fixture::{ACCOUNT, config, gap, now, snapshot};

fn role(path: &str, trust: &str) -> Role {
    let arn = Arn::parse(&format!("arn:aws:iam::{ACCOUNT}:role/{path}")).unwrap();
    Role {
        name: arn.name().to_owned(),
        arn,
        id: "AROAEXAMPLEEXAMPLEX".to_owned(),
        created_at: now(),
        tags: Default::default(),
        attached: Vec::new(),
        inline: Vec::new(),
        boundary: None,
        trust: trust.to_owned(),
        last_used_at: None,
    }
}

fn account(roles: Vec<Role>) -> Snapshot {
    let mut snapshot = snapshot(Vec::new());
    if let Reading::Known(authorization) = &mut snapshot.authorization {
        authorization.roles = roles;
    }
    snapshot
}

fn settings() -> Config {
    let mut config = config(Mode::Off);
    config.rules.role_trust.mode = Mode::Report;
    config
}

fn findings(config: &Config, snapshot: &Snapshot) -> Vec<crate::model::Finding> {
    let history = History::default();
    let judgements = check(&Context {
        config,
        snapshot,
        history: &history,
        now: now(),
    });
    assert!(judgements.iter().all(|judgement| judgement.remedy.is_none()));
    judgements
        .into_iter()
        .map(|judgement| judgement.finding)
        .collect()
}

/// `severity kind`, the worst first; empty where nothing is wrong.
fn said(statements: &str) -> Vec<String> {
    said_with(&settings(), statements)
}

fn said_with(config: &Config, statements: &str) -> Vec<String> {
    let role = role(
        "app",
        &format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#),
    );
    let found = findings(config, &account(vec![role]));
    let problems = found.iter().flat_map(|finding| {
        let problems = finding.evidence["problems"].as_array().unwrap();
        problems.iter().map(|problem| {
            format!(
                "{} {}",
                finding.severity.as_str(),
                problem["kind"].as_str().unwrap()
            )
        })
    });
    problems.collect()
}

fn allow(principal: &str, condition: &str) -> String {
    let condition = match condition {
        "" => String::new(),
        some => format!(r#","Condition":{some}"#),
    };
    format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"{condition}}}"#)
}

fn web(provider: &str, condition: &str) -> Vec<String> {
    said(&format!(
        r#"{{"Effect":"Allow","Principal":{{"Federated":"{provider}"}},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{condition}}}"#
    ))
}

const NOTHING: [&str; 0] = [];

#[test]
fn trust_in_everyone_is_open() {
    for principal in [
        r#""*""#,
        r#"{"AWS":"*"}"#,
        r#"{"AWS":["arn:aws:iam::123456789012:root","*"]}"#,
    ] {
        assert_eq!(said(&allow(principal, "")), ["critical open"], "{principal}");
    }
    let but = r#"{"Effect":"Allow","NotPrincipal":{"AWS":"999999999999"},"Action":"sts:*"}"#;
    assert_eq!(said(but), ["critical open"]);
}

#[test]
fn trust_in_everyone_is_as_open_as_its_conditions() {
    let open = |condition: &str| said(&allow(r#"{"AWS":"*"}"#, condition));
    for condition in [
        r#"{"StringEquals":{"aws:PrincipalOrgID":"o-abc"}}"#,
        r#"{"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":["o-abc/r-1/*"]}}"#,
        r#"{"StringEquals":{"aws:PrincipalAccount":["123456789012"]}}"#,
        r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::123456789012:role/ci-*"}}"#,
        r#"{"StringEquals":{"aws:PrincipalAccount":"999999999999","sts:ExternalId":"x"}}"#,
    ] {
        assert_eq!(open(condition), NOTHING, "{condition}");
    }
    for condition in [
        r#"{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#,
        r#"{"StringEqualsIfExists":{"aws:PrincipalOrgID":"o-abc"}}"#,
        r#"{"ForAllValues:StringEquals":{"aws:PrincipalOrgID":"o-abc"}}"#,
        r#"{"StringLike":{"aws:PrincipalOrgID":"o-*"}}"#,
        r#"{"StringLike":{"aws:PrincipalOrgID":["o-abc","*"]}}"#,
        r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/ci"}}"#,
        r#"{"StringNotEquals":{"aws:PrincipalOrgID":"o-abc"}}"#,
        r#"{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}"#,
    ] {
        assert_eq!(open(condition), ["critical open"], "{condition}");
    }
    for condition in [
        r#"{"StringEquals":{"sts:ExternalId":"x"}}"#,
        r#"{"IpAddress":{"aws:SourceIp":["203.0.113.0/24"]}}"#,
        r#"{"StringEquals":{"aws:SourceVpc":"vpc-1"}}"#,
    ] {
        assert_eq!(open(condition), ["high open_under_condition"], "{condition}");
    }
    let left = r#"{"StringEquals":{"aws:PrincipalAccount":["123456789012","999999999999"]}}"#;
    assert_eq!(open(left), ["high other_account"]);
}

#[test]
fn a_deny_is_not_open_and_may_close() {
    let open = allow(r#"{"AWS":"*"}"#, "");
    let deny = |action: &str, condition: &str| {
        format!(r#"{open},{{"Effect":"Deny","Principal":"*","Action":"{action}"{condition}}}"#)
    };
    assert_eq!(
        said(r#"{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}"#),
        NOTHING
    );
    assert_eq!(said(&deny("sts:*", "")), NOTHING);
    assert_eq!(said(&deny("sts:TagSession", "")), ["critical open"]);
    let outside = r#","Condition":{"StringNotEquals":{"aws:PrincipalOrgID":"o-abc"}}"#;
    assert_eq!(said(&deny("*", outside)), NOTHING);
    let seldom = r#","Condition":{"StringNotEquals":{"aws:PrincipalOrgID":"o-abc","aws:PrincipalAccount":"999999999999"}}"#;
    assert_eq!(
        said(&deny("*", seldom)),
        ["critical open"],
        "it bars only where both hold"
    );
    let some = r#","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-abc"}}"#;
    assert_eq!(said(&deny("*", some)), ["critical open"]);
}

#[test]
fn another_account_needs_an_external_id() {
    let root = r#"{"AWS":"arn:aws:iam::999999999999:root"}"#;
    assert_eq!(said(&allow(root, "")), ["high other_account"]);
    assert_eq!(
        said(&allow(r#"{"AWS":"999999999999"}"#, "")),
        ["high other_account"]
    );
    assert_eq!(
        said(&allow(r#"{"AWS":"arn:aws:iam::999999999999:role/x"}"#, "")),
        ["medium other_account"]
    );
    let with = |condition: &str| said(&allow(root, condition));
    assert_eq!(with(r#"{"StringEquals":{"sts:ExternalId":"x"}}"#), NOTHING);
    assert_eq!(
        with(r#"{"StringEquals":{"aws:PrincipalOrgID":"o-abc"}}"#),
        NOTHING
    );
    for weak in [
        r#"{"StringLike":{"sts:ExternalId":"*"}}"#,
        r#"{"StringEqualsIfExists":{"sts:ExternalId":"x"}}"#,
        r#"{"Null":{"sts:ExternalId":"false"}}"#,
        r#"{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#,
    ] {
        assert_eq!(with(weak), ["high other_account"], "{weak}");
    }
}

#[test]
fn own_and_declared_accounts_and_services_are_fine() {
    for principal in [
        r#"{"AWS":"arn:aws:iam::123456789012:root"}"#,
        r#"{"AWS":"arn:aws:iam::123456789012:role/x"}"#,
        r#"{"Service":["lambda.amazonaws.com","ec2.amazonaws.com"]}"#,
    ] {
        assert_eq!(said(&allow(principal, "")), NOTHING, "{principal}");
    }
    let both = allow(
        r#"{"AWS":["999999999999","arn:aws:iam::888888888888:role/x"]}"#,
        "",
    );
    let mut config = settings();
    let declared = r#"id = "999999999999""#;
    config.accounts = vec![toml::from_str(declared).unwrap()];
    config.rules.role_trust.trusted_accounts = vec![AccountId::parse("888888888888").unwrap()];
    assert_eq!(said_with(&config, &both), NOTHING);
    assert_eq!(said(&both).len(), 2);
}

#[test]
fn odd_principals() {
    assert_eq!(
        said(&allow(r#"{"AWS":"AROAEXAMPLEEXAMPLEX"}"#, "")),
        ["low deleted_principal"]
    );
    assert_eq!(
        said(&allow(r#"{"CanonicalUser":"79a59d"}"#, "")),
        ["medium not_understood"]
    );
    let tagging = r#"{"Effect":"Allow","Principal":{"AWS":"999999999999"},"Action":"sts:TagSession"}"#;
    assert_eq!(said(tagging), NOTHING);
}

#[test]
fn github_must_name_an_organization_and_a_repository() {
    let github = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com";
    let with = |subject: &str| {
        let condition = format!(
            r#"{{"StringEquals":{{"token.actions.githubusercontent.com:aud":"sts.amazonaws.com"}},"StringLike":{{"token.actions.githubusercontent.com:sub":{subject}}}}}"#
        );
        web(github, &condition)
    };
    for good in [
        r#""repo:octo-org/octo-repo:ref:refs/heads/main""#,
        r#"["repo:octo-org/octo-repo:*","repo:octo-org/*"]"#,
        r#""repo:octo-org/app-*:environment:prod""#,
    ] {
        assert_eq!(with(good), NOTHING, "{good}");
    }
    for open in [
        r#""*""#,
        r#""repo:*""#,
        r#""repo:*/*:*""#,
        r#""repo:*/octo-repo:ref:refs/heads/main""#,
        r#""repo:octo-*/octo-repo:*""#,
        r#""repo:octo-org*""#,
        r#"["repo:octo-org/octo-repo:*","repo:*"]"#,
    ] {
        assert_eq!(with(open), ["critical no_subject"], "{open}");
    }
    let only_audience = r#"{"StringEquals":{"token.actions.githubusercontent.com:aud":"sts.amazonaws.com"}}"#;
    assert_eq!(web(github, only_audience), ["critical no_subject"]);
    let only_subject =
        r#"{"StringEquals":{"token.actions.githubusercontent.com:sub":"repo:o/r:ref:refs/heads/main"}}"#;
    assert_eq!(web(github, only_subject), ["medium no_audience"]);
    let by_repository = r#"{"StringEquals":{"token.actions.githubusercontent.com:aud":"sts.amazonaws.com","token.actions.githubusercontent.com:repository":"o/r"}}"#;
    assert_eq!(web(github, by_repository), NOTHING);
    assert_eq!(web(github, "{}"), ["critical no_subject", "critical no_audience"]);
}

#[test]
fn other_providers_must_name_audience_and_subject() {
    let host = "oidc.eks.eu-west-1.amazonaws.com/id/ABCDEF";
    let eks = format!("arn:aws:iam::123456789012:oidc-provider/{host}");
    let with = |subject: &str| {
        web(
            &eks,
            &format!(r#"{{"StringLike":{{"{host}:aud":"sts.amazonaws.com","{host}:sub":"{subject}"}}}}"#),
        )
    };
    assert_eq!(with("system:serviceaccount:team:app"), NOTHING);
    assert_eq!(with("system:serviceaccount:team:*"), NOTHING);
    assert_eq!(with("system:serviceaccount:*:*"), ["high no_subject"]);
    assert_eq!(with("system:serviceaccount:*"), ["high no_subject"]);
    let other = r#"{"StringEquals":{"oidc.eks.eu-west-1.amazonaws.com/id/OTHER:sub":"x","oidc.eks.eu-west-1.amazonaws.com/id/OTHER:aud":"y"}}"#;
    assert_eq!(web(&eks, other), ["high no_subject", "high no_audience"]);
    let cognito = "cognito-identity.amazonaws.com";
    let pool = r#"{"StringEquals":{"cognito-identity.amazonaws.com:aud":"eu-west-1:pool"}}"#;
    let signed_in = r#"{"StringEquals":{"cognito-identity.amazonaws.com:aud":"eu-west-1:pool"},"ForAnyValue:StringLike":{"cognito-identity.amazonaws.com:amr":"authenticated"}}"#;
    let any_pool = r#"{"ForAnyValue:StringLike":{"cognito-identity.amazonaws.com:amr":"authenticated"}}"#;
    assert_eq!(web(cognito, signed_in), NOTHING);
    assert_eq!(web(cognito, pool), ["critical no_subject"]);
    assert_eq!(web(cognito, any_pool), ["high no_audience"]);
    let google = r#"{"StringEquals":{"accounts.google.com:aud":"1","accounts.google.com:sub":"2"}}"#;
    assert_eq!(web("accounts.google.com", google), NOTHING);
}

#[test]
fn saml_must_name_the_audience() {
    let saml = |condition: &str| {
        said(&format!(
            r#"{{"Effect":"Allow","Principal":{{"Federated":"arn:aws:iam::123456789012:saml-provider/Okta"}},"Action":"sts:AssumeRoleWithSAML"{condition}}}"#
        ))
    };
    assert_eq!(
        saml(r#","Condition":{"StringEquals":{"SAML:aud":"https://signin.aws.amazon.com/saml"}}"#),
        NOTHING
    );
    assert_eq!(saml(""), ["medium no_audience"]);
}

#[test]
fn what_cannot_be_read_is_unknown() {
    let open = format!(r#"{{"Statement":[{}]}}"#, allow(r#""*""#, ""));
    let found = findings(
        &settings(),
        &account(vec![
            role("a", "{}"),
            role("b", &open.replace("}]}", r#","Condition":{"StringEquals":7}}]}"#)),
        ]),
    );
    assert!(
        found
            .iter()
            .all(|finding| finding.status == FindingStatus::Unknown)
    );
    assert_eq!(found.len(), 2);
    let mut unread = account(Vec::new());
    unread.authorization = Reading::Unknown(gap("iam:GetAccountAuthorizationDetails"));
    assert_eq!(findings(&settings(), &unread)[0].status, FindingStatus::Unknown);
}

#[test]
fn roles_of_aws_are_never_judged() {
    let open = format!(r#"{{"Statement":[{}]}}"#, allow(r#""*""#, ""));
    let roles = [
        "aws-service-role/x.amazonaws.com/AWSServiceRoleForX",
        "aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_1",
        "AWSServiceRoleForY",
    ];
    let roles = roles.iter().map(|path| role(path, &open)).collect();
    assert_eq!(findings(&settings(), &account(roles)), []);
}

#[test]
fn exempt_and_protected_roles_are_left_alone() {
    let open = format!(r#"{{"Statement":[{}]}}"#, allow(r#""*""#, ""));
    let snapshot = account(vec![role("app", &open), role("iamwarden", &open)]);
    let mut config = settings();
    let exemption = r#"
        principals = ["role/app"]
        rules = ["role_trust"]
        until = "2026-11-23"
        reason = "public data, SEC-1"
    "#;
    config.exemptions = vec![toml::from_str(exemption).unwrap()];
    let statuses = |config: &Config| -> Vec<_> {
        findings(config, &snapshot)
            .iter()
            .map(|finding| finding.status)
            .collect()
    };
    assert_eq!(statuses(&config), [FindingStatus::Exempt, FindingStatus::Exempt]);
    config.exemptions.clear();
    assert_eq!(
        statuses(&config),
        [FindingStatus::Violation, FindingStatus::Exempt]
    );
    config.guardrails.protected = vec![Glob::new("role/app")];
    assert_eq!(statuses(&config), [FindingStatus::Exempt, FindingStatus::Exempt]);
}

#[test]
fn what_people_read() {
    let statements = [
        allow(r#"{"AWS":["*","arn:aws:iam::999999999999:root"]}"#, ""),
        r#"{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringLike":{"token.actions.githubusercontent.com:sub":"repo:*"}}}"#.to_owned(),
        allow(r#"{"AWS":"AROAEXAMPLEEXAMPLEX"}"#, ""),
    ];
    let mut words = String::new();
    let mut of = |statements: &str| {
        let role = role("deploy", &format!(r#"{{"Statement":[{statements}]}}"#));
        for finding in findings(&settings(), &account(vec![role])) {
            words.push_str(&format!(
                "{} {}: {}\n{}\n",
                finding.severity.as_str(),
                finding.status.as_str(),
                finding.title,
                finding.detail
            ));
        }
    };
    of(&statements.join(","));
    of(&statements[2]);
    of(&allow(
        r#"{"AWS":"*"}"#,
        r#"{"StringEquals":{"sts:ExternalId":"x"}}"#,
    ));
    insta::assert_snapshot!(words, @r#"
    critical violation: the role deploy can be assumed by everybody who has an account with token.actions.githubusercontent.com, and 4 more
    No condition names a subject of token.actions.githubusercontent.com: everybody who has an account with token.actions.githubusercontent.com can assume the role. Its principal is open to every AWS account, and no condition narrows it: anybody can assume the role and do what it may. It trusts 999999999999 without a condition on sts:ExternalId: whoever uses that account as a go-between can assume the role. No condition on token.actions.githubusercontent.com:aud says for whom a token of token.actions.githubusercontent.com must have been made. The principal AROAEXAMPLEEXAMPLEX does not exist any more, so nobody can use this part of the trust. To mend it: save the trust policy (`aws iam get-role --role-name deploy --query Role.AssumeRolePolicyDocument > trust.json`), add a condition on `token.actions.githubusercontent.com:sub` that names who may, without a wildcard in the owner's name, replace the open principal by the ARNs of those who need the role, add a condition on `sts:ExternalId` with a value agreed with the owner of account 999999999999 (or, if the account is yours, list it under rules.role_trust.trusted_accounts), add a condition on `token.actions.githubusercontent.com:aud` with the audience that is meant, take out AROAEXAMPLEEXAMPLEX, and put it back (`aws iam update-assume-role-policy --role-name deploy --policy-document file://trust.json`).
    low warning: the role deploy trusts AROAEXAMPLEEXAMPLEX, which was deleted
    The principal AROAEXAMPLEEXAMPLEX does not exist any more, so nobody can use this part of the trust. To mend it: save the trust policy (`aws iam get-role --role-name deploy --query Role.AssumeRolePolicyDocument > trust.json`), take out AROAEXAMPLEEXAMPLEX, and put it back (`aws iam update-assume-role-policy --role-name deploy --policy-document file://trust.json`).
    high violation: the role deploy can be assumed from any AWS account that meets a condition on sts:ExternalId
    Its principal is open to every AWS account; only the condition on sts:ExternalId holds others off. To mend it: save the trust policy (`aws iam get-role --role-name deploy --query Role.AssumeRolePolicyDocument > trust.json`), replace the open principal by the ARNs of those who need the role, and put it back (`aws iam update-assume-role-policy --role-name deploy --policy-document file://trust.json`).
    "#);
}
