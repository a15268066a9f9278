//! Accounts with broad policies, and what is said of them.

mod narrowing;
mod properties;

use super::*;
use crate::config::Mode;
use crate::inventory::InlinePolicy;
use crate::model::{Arn, Finding, FindingStatus, Glob};
use crate::rules::unused_permissions::tests::{World, allow, arn, policy_arn};

const EVERYTHING: &str = r#""*""#;

/// An account with this rule alone.
pub(super) fn world() -> World {
    let mut world = World::empty();
    world.config.rules.unused_permissions.mode = Mode::Off;
    world.config.rules.broad_policies.mode = Mode::Report;
    world
}

pub(super) fn findings(world: &World) -> Vec<Finding> {
    let judgements = world.judged_by(check);
    assert!(judgements.iter().all(|judgement| judgement.remedy.is_none()));
    judgements
        .into_iter()
        .map(|judgement| judgement.finding)
        .collect()
}

fn said(world: &World) -> Vec<String> {
    let brief = |finding: Finding| {
        format!(
            "{} {} {}: {}",
            finding.severity.as_str(),
            finding.status.as_str(),
            finding.resource.resource(),
            finding.title
        )
    };
    findings(world).into_iter().map(brief).collect()
}

fn inline(name: &str, document: &str) -> InlinePolicy {
    InlinePolicy {
        name: name.to_owned(),
        document: document.to_owned(),
    }
}

#[test]
fn a_broad_policy_is_one_finding_however_many_carry_it() {
    let mut world = world();
    world.add_role("app");
    world.add_role("deploy");
    world.add_group("admins");
    world.add_user("ann", &["admins"]);
    for holder in ["role/app", "role/deploy", "group/admins"] {
        world.attach(holder, "Admin", &allow(EVERYTHING));
    }
    world.add_inline(&allow(r#"["s3:*","sqs:SendMessage"]"#));
    insta::assert_snapshot!(said(&world).join("\n"), @r#"
    critical violation policy/Admin: the policy Admin allows everything on everything
    medium violation role/app: the policy inline inside the role app allows s3:* on everything
    "#);
    let finding = findings(&world).remove(0);
    assert_eq!(
        finding.evidence["attached_to"],
        serde_json::json!([arn("group/admins"), arn("role/app"), arn("role/deploy")])
    );
}

#[test]
fn tidy_accounts_are_silent() {
    let mut world = world();
    world.add_role("app");
    world.add_group("team");
    world.add_user("ann", &["team"]);
    world.attach(
        "role/app",
        "Storage",
        &allow(r#"["s3:GetObject","s3:PutObject"]"#),
    );
    world.attach("group/team", "Read", &allow(r#"["ec2:Describe*","s3:List*"]"#));
    world.attach(
        "role/app",
        "Nothing",
        r#"{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#,
    );
    assert_eq!(said(&world), Vec::<String>::new());
}

#[test]
fn a_policy_that_nobody_carries_is_nobodys() {
    let mut world = world();
    world.add_role("aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_1");
    world.attach(
        "role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_1",
        "Admin",
        &allow(EVERYTHING),
    );
    assert_eq!(said(&world), Vec::<String>::new());
    world.role().attached.clear();
    assert_eq!(said(&world), Vec::<String>::new());
}

#[test]
fn who_is_left_alone_is_named_and_the_rest_still_offends() {
    let mut world = world();
    world.add_role("app");
    world.add_role("deploy");
    world.attach("role/app", "Admin", &allow(EVERYTHING));
    world.attach("role/deploy", "Admin", &allow(EVERYTHING));
    world.config.guardrails.protected = vec![Glob::new("role/deploy")];
    let finding = findings(&world).remove(0);
    assert_eq!(finding.status, FindingStatus::Violation);
    assert_eq!(
        finding.evidence["attached_to"],
        serde_json::json!([arn("role/app")])
    );
    assert_eq!(
        finding.evidence["left_alone"],
        serde_json::json!([arn("role/deploy")])
    );
    world.config.guardrails.protected = vec![Glob::new("role/*")];
    let finding = findings(&world).remove(0);
    assert_eq!(finding.status, FindingStatus::Exempt);
    assert_eq!(
        finding.evidence["exempt"],
        serde_json::json!({"protected": "role/*"})
    );
}

#[test]
fn a_document_that_nobody_understands_is_unknown() {
    let mut world = world();
    world.add_role("app");
    world.attach("role/app", "Odd", "{}");
    world.add_inline(r#"{"Statement":[{"Effect":"Allow","Action":"s3:*"}]}"#);
    world.attach("role/app", "Gone", &allow(EVERYTHING));
    world.authorization.policies.remove(&policy_arn("Gone"));
    insta::assert_snapshot!(said(&world).join("\n"), @r#"
    medium unknown policy/Gone: cannot tell whether the policy Gone is too broad
    medium unknown policy/Odd: cannot tell whether the policy Odd is too broad
    medium unknown role/app: cannot tell whether the policy inline is too broad
    "#);
    world.config.guardrails.protected = vec![Glob::new("role/*")];
    assert_eq!(said(&world), Vec::<String>::new());
    world.lose_authorization();
    assert_eq!(findings(&world)[0].status, FindingStatus::Unknown);
}

#[test]
fn policies_of_one_principal_are_taken_together() {
    let pass = allow(r#""iam:PassRole""#);
    let run = allow(r#""ec2:RunInstances""#);
    let mut world = world();
    world.add_role("app");
    world.attach("role/app", "Pass", &pass);
    world.attach("role/app", "Run", &run);
    let combined =
        "high violation role/app: the role app can gain more permissions, by iam:PassRole + ec2:RunInstances";
    assert_eq!(said(&world), [combined]);

    let deny = r#"{"Statement":[{"Effect":"Deny","Action":"iam:PassRole","Resource":"*"}]}"#;
    world.role().inline.push(inline("deny", deny));
    assert_eq!(
        said(&world),
        Vec::<String>::new(),
        "a Deny in another policy counts"
    );
    world.role().inline.clear();

    world.attach("role/app", "Boundary", &run);
    world.role().attached.pop();
    world.role().boundary = Some(policy_arn("Boundary"));
    assert_eq!(said(&world), Vec::<String>::new(), "a boundary counts");
    world.role().boundary = Some(policy_arn("Unheard-of"));
    assert_eq!(said(&world), [combined], "an unknown boundary lowers nothing");
}

#[test]
fn a_path_is_said_where_it_opens_and_not_again() {
    let mut world = world();
    world.config.rules.broad_policies.allow_attached_to_users = true;
    world.add_group("builders");
    world.add_user("ann", &["builders"]);
    world.add_user("bob", &["builders"]);
    world.attach("group/builders", "Pass", &allow(r#""iam:PassRole""#));
    world.attach("user/ann", "Run", &allow(r#""ec2:RunInstances""#));
    let of_ann =
        "high violation user/ann: the user ann can gain more permissions, by iam:PassRole + ec2:RunInstances";
    assert_eq!(said(&world), [of_ann], "bob has only half of it");
    world.attach("group/builders", "Run", &allow(r#""ec2:RunInstances""#));
    let of_group = "high violation group/builders: the group builders can gain more permissions, by iam:PassRole + ec2:RunInstances";
    assert_eq!(
        said(&world),
        [of_group],
        "what a group opens is said of the group"
    );
    world.attach("group/builders", "Admin", &allow(EVERYTHING));
    assert_eq!(said(&world).len(), 1, "{:?}", said(&world));
}

#[test]
fn users_have_no_policies_of_their_own() {
    let mut world = world();
    world.add_user("ann", &[]);
    world.attach("user/ann", "Storage", &allow(r#""s3:GetObject""#));
    world
        .user("ann")
        .inline
        .push(inline("own", &allow(r#""sqs:SendMessage""#)));
    assert_eq!(
        said(&world),
        ["low violation user/ann: the user ann has policies of its own: Storage, own"]
    );
    let finding = findings(&world).remove(0);
    assert_eq!(
        finding.evidence["attached"],
        serde_json::json!([policy_arn("Storage")])
    );
    assert_eq!(finding.evidence["inline"], serde_json::json!(["own"]));
    world.config.rules.broad_policies.allow_attached_to_users = true;
    assert_eq!(said(&world), Vec::<String>::new());
    world.config.rules.broad_policies.allow_attached_to_users = false;
    world.user("ann").attached.clear();
    let deny = r#"{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
    world.user("ann").inline = vec![inline("iamwarden-quarantine", deny)];
    assert_eq!(
        said(&world),
        Vec::<String>::new(),
        "what only denies is no permission"
    );
}

#[test]
fn owners_answer_for_what_is_theirs_alone() {
    let mut world = world();
    world.config.accounts =
        vec![toml::from_str("id = \"123456789012\"\nowner = \"platform@example.com\"").unwrap()];
    for (name, owner) in [("app", "a@example.com"), ("web", "b@example.com")] {
        let role = world.add_role(name);
        role.tags.insert("owner".to_owned(), owner.to_owned());
    }
    world.attach("role/app", "Admin", &allow(EVERYTHING));
    let owner = |world: &World| findings(world).remove(0).owner.unwrap().0;
    assert_eq!(owner(&world), "a@example.com");
    world.attach("role/web", "Admin", &allow(EVERYTHING));
    assert_eq!(owner(&world), "platform@example.com");
}

#[test]
fn what_people_read() {
    let mut world = world();
    world.add_role("app");
    world.attach(
        "role/app",
        "Builders",
        &allow(r#"["lambda:*","iam:PassRole","ecs:*"]"#),
    );
    let document = r#"{"Statement":[
        {"Effect":"Allow","NotAction":["iam:*","organizations:*"],"Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}},
        {"Effect":"Deny","Action":"s3:Delete*","Resource":"*"}]}"#;
    world.attach("role/app", "Power", document);
    let words = findings(&world).into_iter().map(|finding| {
        format!(
            "{} {}: {}\n{}\n",
            finding.severity.as_str(),
            finding.status.as_str(),
            finding.title,
            finding.detail
        )
    });
    insta::assert_snapshot!(words.collect::<String>(), @r#"
    high violation: the policy Builders allows ecs:*, lambda:* on everything
    It allows every action of a service on every resource (ecs:*, lambda:*). It opens 7 known paths to more permissions: lambda:UpdateFunctionCode gives the roles of Lambda functions, by their code; lambda:UpdateFunctionConfiguration gives the roles of Lambda functions, by a layer; iam:PassRole + lambda:CreateFunction + lambda:InvokeFunction gives any role, in a Lambda function; iam:PassRole + lambda:CreateFunction + lambda:AddPermission gives any role, in a Lambda function that others invoke; and 3 more. It is carried by the role app. No narrower policy is proposed: Access Advisor was not asked about role/app. To mend it: name the actions and resources that are needed. A draft from what CloudTrail saw comes from `aws accessanalyzer start-policy-generation`; attach the narrower policy first, then detach this one.
    medium violation: the policy Power allows everything on everything but iam:*, organizations:*
    Whoever carries it can do nearly anything in the account, under conditions. It opens 7 known paths to more permissions, under conditions: lambda:UpdateFunctionCode gives the roles of Lambda functions, by their code; lambda:UpdateFunctionConfiguration gives the roles of Lambda functions, by a layer; glue:UpdateDevEndpoint gives the roles of Glue's development endpoints; ssm:SendCommand gives the roles of EC2 instances, by a command; and 3 more. It also denies, which does not certainly take that away. It is carried by the role app. No narrower policy is proposed: Access Advisor was not asked about role/app. To mend it: name the actions and resources that are needed. A draft from what CloudTrail saw comes from `aws accessanalyzer start-policy-generation`; attach the narrower policy first, then detach this one.
    medium violation: the role app can gain more permissions, by iam:PassRole + ec2:RunInstances, iam:PassRole + ec2:AssociateIamInstanceProfile, iam:PassRole + cloudformation:CreateStack, iam:PassRole + cloudformation:CreateChangeSet + cloudformation:ExecuteChangeSet, and 13 more
    No single policy of it opens such a path, all of them together do: they give any role, on an EC2 instance; any role, on an EC2 instance that is there; any role, in a CloudFormation stack; any role, in a CloudFormation change set; and 13 more. To mend it: take one step of each path out of the policy that grants it, or name the roles that may be passed in its `Resource`.
    "#);
}
