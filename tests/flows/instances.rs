//! What happens to instances without a role.

use std::time::Duration;

use aws_simulator::{
    AccountSeed, Edit, Fault, FaultKind, InstanceProfileSeed, InstanceSeed, RegionSeed, Release, RoleSeed,
    When,
};
use chrono::TimeDelta;
use iamwarden::config::ChannelKind;
use iamwarden::daemon::Done;
use iamwarden::execute::ActionResult;
use iamwarden::model::{FindingStatus, Verdict, WithheldReason};

use crate::installation::{ACCOUNT, BEGIN, Installation, account, at, days, only_action};

const HOME: &str = "eu-central-1";
const WEB: &str = "i-00000000000000001";
const PROFILE: &str = "arn:aws:iam::123456789012:instance-profile/baseline";

const OFF: &str = r#"
rules.access_key_rotation.mode = "off"
rules.unused_access_keys.mode = "off"
rules.password_policy.mode = "off"
rules.unused_permissions.mode = "off"
regions.include = ["eu-central-1", "us-east-1"]
"#;

/// The rule in this mode, with these settings.
fn rules(mode: &str, settings: &str) -> String {
    format!("{OFF}\n[rules.instance_roles]\nmode = \"{mode}\"\n{settings}\n")
}

fn enforce() -> String {
    rules("enforce", "default_profile = \"baseline\"")
}

/// Somebody's instance, without a profile.
fn web() -> InstanceSeed {
    let mut instance = InstanceSeed {
        id: Some(WEB.to_owned()),
        ..InstanceSeed::default()
    };
    for (key, value) in [("Name", "web-1"), ("owner", "ann@example.com")] {
        instance.tags.insert(key.to_owned(), value.to_owned());
    }
    instance
}

fn region(instances: Vec<InstanceSeed>) -> RegionSeed {
    RegionSeed {
        instances,
        ..RegionSeed::default()
    }
}

/// An account with a profile `baseline` that holds a role, an empty one, and these instances.
fn with(instances: Vec<InstanceSeed>) -> AccountSeed {
    let mut account = account();
    let mut role = RoleSeed::new("baseline");
    role.instance_profiles = vec!["baseline".to_owned()];
    account.roles.push(role);
    account.instance_profiles.push(InstanceProfileSeed {
        name: "empty".to_owned(),
        path: "/".to_owned(),
        age: When::days(30),
        role: None,
        tags: Default::default(),
    });
    account.regions.insert(HOME.to_owned(), region(instances));
    account
}

/// Its instances are these from now on.
fn becomes(town: &Installation, instances: Vec<InstanceSeed>) {
    let mut edit = Edit::of(ACCOUNT);
    edit.regions.insert(HOME.to_owned(), region(instances));
    town.edit(&edit);
}

/// The profile of the instance.
fn profile(town: &Installation) -> Option<String> {
    let account = town.account();
    let profile = &account["regions"][HOME]["instances"][WEB]["profile"]["profile_arn"];
    profile.as_str().map(str::to_owned)
}

fn told(done: &Done) -> Vec<(FindingStatus, String)> {
    let findings = done.planned.plan.findings.iter();
    findings
        .map(|finding| (finding.status, finding.title.clone()))
        .collect()
}

fn operations(town: &Installation) -> Vec<String> {
    town.changes()
        .into_iter()
        .map(|(operation, _)| operation)
        .collect()
}

#[tokio::test]
async fn an_instance_gets_the_profile_its_owner_hears_of_it_and_a_rollback_takes_it_again() {
    let town = Installation::begin(with(vec![web()]), &enforce()).await;
    let applied = town.run().await;
    let action = only_action(&applied).clone();
    assert_eq!(profile(&town).as_deref(), Some(PROFILE));
    assert_eq!(town.desk.diary(), [(at(BEGIN), "instance.changed".to_owned())]);
    assert_eq!(town.desk.posts()[0].owner(), Some("ann@example.com"));

    let second = town.run_at(at(BEGIN) + TimeDelta::hours(1)).await;
    assert_eq!(second.planned.plan.findings, []);
    assert_eq!(town.desk.diary().len(), 1, "a second run is silent");
    assert_eq!(operations(&town), ["AssociateIamInstanceProfile"]);

    let reports = town.roll_back(&action).await;
    assert_eq!(reports[0].result, ActionResult::Applied);
    assert_eq!(profile(&town), None);
    assert_eq!(town.roll_back(&action).await, [], "there is nothing left to undo");
    let held = town.run_at(at(BEGIN) + days(1)).await;
    assert_eq!(
        only_action(&held).withheld_reason,
        Some(WithheldReason::RolledBack)
    );
    assert_eq!(profile(&town), None, "it stays so until a person approves it");
    town.decide(&held, only_action(&held), Verdict::Approved).await;
    town.run_at(at(BEGIN) + days(2)).await;
    assert_eq!(profile(&town).as_deref(), Some(PROFILE));
    town.check_books().await;
}

#[tokio::test]
async fn with_approve_a_person_decides_and_in_report_the_digest_alone_speaks() {
    let town = Installation::begin(
        with(vec![web()]),
        &rules("approve", "default_profile = \"baseline\""),
    )
    .await;
    let waiting = town.run().await;
    let action = only_action(&waiting).clone();
    assert_eq!(action.withheld_reason, Some(WithheldReason::Approval));
    assert_eq!(profile(&town), None);
    town.decide(&waiting, &action, Verdict::Approved).await;
    town.run_at(at(BEGIN) + TimeDelta::hours(1)).await;
    assert_eq!(profile(&town).as_deref(), Some(PROFILE));

    let town = Installation::begin(
        with(vec![web()]),
        &rules("report", "default_profile = \"baseline\""),
    )
    .await;
    let reported = town.run().await;
    assert_eq!(reported.planned.plan.actions, []);
    assert!(reported.planned.plan.findings[0].proposal.is_some());
    assert_eq!(town.desk.diary(), [(at(BEGIN), "report.digest".to_owned())]);
    assert_eq!(profile(&town), None);
}

#[tokio::test]
async fn what_only_people_can_mend_is_told_at_once_and_every_week_until_it_is_mended() {
    let mut instance = web();
    instance.profile = Some("empty".to_owned());
    let town = Installation::begin(with(vec![instance]), &enforce()).await;
    town.run().await;
    town.run_daily_until(at(BEGIN) + days(15)).await;
    let times = |town: &Installation| {
        let posts = town.desk.told("instance.at_risk");
        posts
            .iter()
            .map(|post| (post.at - at(BEGIN)).num_days())
            .collect::<Vec<_>>()
    };
    let before = times(&town);
    assert_eq!(before.len(), 3, "{before:?}");
    assert_eq!(before[0], 0);
    let mut mended = web();
    mended.profile = Some("baseline".to_owned());
    becomes(&town, vec![mended]);
    town.run_daily_until(at(BEGIN) + days(40)).await;
    assert_eq!(times(&town), before);
    assert_eq!(town.changes(), []);
}

#[tokio::test]
async fn a_profile_that_is_on_its_way_is_waited_for() {
    for state in ["associating", "disassociating"] {
        let mut instance = web();
        instance.profile = Some("baseline".to_owned());
        instance.profile_state = state.to_owned();
        let town = Installation::begin(with(vec![instance]), &enforce()).await;
        let done = town.run().await;
        assert_eq!(told(&done), [], "{state}");
        assert_eq!(town.changes(), [], "{state}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_unknown_and_nothing_is_done() {
    let unread = (
        FindingStatus::Unknown,
        "The instances of eu-central-1 could not be read".to_owned(),
    );
    for kind in [
        FaultKind::error("UnauthorizedOperation"),
        FaultKind::error("RequestLimitExceeded"),
        FaultKind::error("Unavailable"),
        FaultKind::MalformedBody,
    ] {
        let town = Installation::begin(with(vec![web()]), &enforce()).await;
        let fault = Fault::new(kind.clone()).on("DescribeInstances").in_region(HOME);
        town.simulator.faults().add(fault);
        let done = town.run().await;
        assert_eq!(told(&done), std::slice::from_ref(&unread), "{kind:?}");
        assert_eq!(town.changes(), [], "{kind:?}");
        assert_eq!(town.desk.told("run.failed").len(), 1, "{kind:?}");
    }
    for operation in ["DescribeIamInstanceProfileAssociations", "ListInstanceProfiles"] {
        let town = Installation::begin(with(vec![web()]), &enforce()).await;
        town.simulator
            .faults()
            .add(Fault::new(FaultKind::error("AccessDenied")).on(operation));
        let done = town.run().await;
        let unknown = told(&done)
            .into_iter()
            .filter(|(status, _)| *status == FindingStatus::Unknown);
        assert_eq!(unknown.count(), 1, "{operation}");
        assert_eq!(town.changes(), [], "{operation}");
    }
}

#[tokio::test]
async fn a_profile_that_cannot_be_given_is_an_error_of_the_account_and_no_change() {
    for name in ["empty", "nowhere"] {
        let town = Installation::begin(
            with(vec![web()]),
            &rules("enforce", &format!("default_profile = \"{name}\"")),
        )
        .await;
        let done = town.run().await;
        let accounts = &done.planned.plan.accounts;
        assert_eq!(accounts[0].errors.len(), 1, "{name}");
        assert_eq!(accounts[0].errors[0].operation, "rule:instance_roles", "{name}");
        assert_eq!(town.changes(), [], "{name}");
        assert_eq!(town.desk.told("run.failed").len(), 1, "{name}");
    }
}

#[tokio::test]
async fn the_exempt_and_the_protected_are_left_alone() {
    let exempt = format!(
        "{}\n{}",
        enforce(),
        r#"
        [[exemptions]]
        principals = ["instance/i-00000000000000001"]
        rules = ["instance_roles"]
        until = "2026-12-31"
        reason = "an appliance, SEC-9"
        "#
    );
    let protected = format!("{}\n[guardrails]\nprotected = [\"instance/*\"]", enforce());
    for rules in [exempt, protected] {
        let town = Installation::begin(with(vec![web()]), &rules).await;
        let done = town.run().await;
        let statuses: Vec<_> = told(&done).into_iter().map(|(status, _)| status).collect();
        assert_eq!(statuses, [FindingStatus::Exempt]);
        assert_eq!(town.changes(), []);
        assert_eq!(town.desk.diary(), []);
    }
}

/// One tick, and what becomes of the instance right before the profile is given to it.
async fn meanwhile(town: &Installation, happening: impl FnOnce()) -> ActionResult {
    let hold = Fault::new(FaultKind::Hold)
        .on("DescribeInstances")
        .about(WEB)
        .only_nth(1);
    town.simulator.faults().add(hold);
    let happen = async {
        let held = town.simulator.holds().wait(Duration::from_secs(60)).await;
        happening();
        let id = held.expect("no call was held").id;
        assert!(town.simulator.holds().release(id, Release::Continue));
    };
    let (done, ()) = tokio::join!(town.run(), happen);
    let [report] = done.reports.as_slice() else {
        panic!("one attempt was expected: {:?}", done.reports)
    };
    report.result.clone()
}

#[tokio::test]
async fn an_instance_that_changed_since_the_plan_is_left_alone() {
    let in_state = |state: &str| {
        let mut instance = web();
        instance.state = state.to_owned();
        vec![instance]
    };
    let with_profile = |state: &str| {
        let mut instance = web();
        instance.profile = Some("empty".to_owned());
        instance.profile_state = state.to_owned();
        vec![instance]
    };
    for (now, why) in [
        (in_state("stopped"), "the world moved"),
        (in_state("terminated"), "it is gone"),
        (Vec::new(), "it is gone"),
        (with_profile("associated"), "the world moved"),
        (with_profile("associating"), "the world moved"),
    ] {
        let town = Installation::begin(with(vec![web()]), &enforce()).await;
        let result = meanwhile(&town, || becomes(&town, now)).await;
        let ActionResult::Stale(detail) = &result else {
            panic!("{result:?}")
        };
        assert!(detail.contains(why), "{detail}");
        assert_eq!(town.changes(), [], "{detail}");
    }
}

#[tokio::test]
async fn a_profile_that_changed_since_the_plan_is_not_given() {
    for delete in [false, true] {
        let town = Installation::begin(with(vec![web()]), &enforce()).await;
        let hold = Fault::new(FaultKind::Hold).on("GetInstanceProfile").only_nth(1);
        town.simulator.faults().add(hold);
        let iam = town.somebody_else().await;
        let happen = async {
            let held = town.simulator.holds().wait(Duration::from_secs(60)).await;
            let taken = iam.remove_role_from_instance_profile();
            let taken = taken.instance_profile_name("baseline").role_name("baseline");
            taken.send().await.unwrap();
            if delete {
                let deleted = iam.delete_instance_profile().instance_profile_name("baseline");
                deleted.send().await.unwrap();
            }
            let id = held.expect("no call was held").id;
            assert!(town.simulator.holds().release(id, Release::Continue));
        };
        let (done, ()) = tokio::join!(town.run(), happen);
        assert!(
            matches!(&done.reports[0].result, ActionResult::Stale(_)),
            "{:?}",
            done.reports
        );
        assert_eq!(profile(&town), None);
    }
}

#[tokio::test]
async fn a_call_without_an_answer_is_settled_by_looking() {
    let town = Installation::begin(with(vec![web()]), &enforce()).await;
    let lost = Fault::new(FaultKind::Reset)
        .on("AssociateIamInstanceProfile")
        .after_effect();
    town.simulator.faults().add(lost.only_nth(1));
    let done = town.run().await;
    assert_eq!(
        done.reports[0].result,
        ActionResult::Applied,
        "it was seen to be done"
    );
    assert_eq!(profile(&town).as_deref(), Some(PROFILE));
    let silent = town.run_at(at(BEGIN) + TimeDelta::hours(1)).await;
    assert_eq!(silent.planned.plan.findings, []);
    assert_eq!(operations(&town), ["AssociateIamInstanceProfile"]);
    town.check_books().await;
}

#[tokio::test]
async fn what_somebody_changed_is_not_undone_and_a_stopped_instance_is() {
    let town = Installation::begin(with(vec![web()]), &enforce()).await;
    let action = only_action(&town.run().await).clone();
    let mut other = web();
    other.profile = Some("empty".to_owned());
    becomes(&town, vec![other]);
    let reports = town.roll_back(&action).await;
    assert!(matches!(reports[0].result, ActionResult::Stale(_)), "{reports:?}");
    assert!(profile(&town).unwrap().ends_with("/empty"));

    let town = Installation::begin(with(vec![web()]), &enforce()).await;
    let action = only_action(&town.run().await).clone();
    let mut stopped = web();
    stopped.state = "stopped".to_owned();
    stopped.profile = Some("baseline".to_owned());
    becomes(&town, vec![stopped]);
    let reports = town.roll_back(&action).await;
    assert_eq!(reports[0].result, ActionResult::Applied);
    assert_eq!(profile(&town), None);

    let town = Installation::begin(with(vec![web()]), &enforce()).await;
    let action = only_action(&town.run().await).clone();
    becomes(&town, Vec::new());
    let reports = town.roll_back(&action).await;
    assert_eq!(reports[0].result.as_str(), "stale", "it is gone");
}

#[tokio::test]
async fn what_the_owner_reads() {
    let mut in_group = web();
    in_group
        .tags
        .insert("aws:autoscaling:groupName".to_owned(), "web".to_owned());
    in_group.http_tokens = "optional".to_owned();
    let mut broken = web();
    broken.id = Some("i-00000000000000002".to_owned());
    broken.tags.insert("Name".to_owned(), "db-1".to_owned());
    broken.profile = Some("empty".to_owned());
    let mut town = Installation::begin(with(vec![in_group, broken]), &enforce()).await;
    town.configure(|config| {
        config.notifications.channels[0].kind = ChannelKind::Slack;
        config.notifications.channels[0].secret = None;
    });
    let applied = town.run().await;
    let id = only_action(&applied).id.to_string();
    let chat = town.desk.chat().join("\n======\n").replace(&id, "act_…");
    insta::assert_snapshot!(chat, @r#"
    Instance `i-00000000000000001` (eu-central-1) in 123456789012 *was given an instance profile on Mon 02 Mar 2026 06:00 UTC*
    Why: The instance i-00000000000000001 (web-1, eu-central-1) has no instance profile. Without a role, whatever runs on it needs access keys, which do not expire. It belongs to the Auto Scaling group web, which replaces it in time by one that is like its launch template: see that this names a profile. It is given the instance profile baseline, and may do from then on what its role baseline may. (rule `instance_roles`)
    Action `act_…`. To undo it: `iamwarden rollback --action act_…`

    Programs on the instance may now do what the role in the profile may. Access keys in their environment or configuration still come first: take those out, and then delete them. An instance that replaces this one has no profile unless its launch template names it.

    The instance i-00000000000000001 (web-1, eu-central-1) allows IMDSv1 (`instance/i-00000000000000001` in 123456789012)
    Its metadata service answers without a session token: whoever makes a program on it fetch a chosen address gets what it says, and the credentials of a role once it has one. It belongs to the Auto Scaling group web, which replaces it in time by one that is like its launch template: see that this requires tokens.

    The instance profile of the instance i-00000000000000002 (db-1, eu-central-1) gives it no role (`instance/i-00000000000000002` in 123456789012)
    The profile empty holds no role. Whatever runs on the instance gets no credentials. A profile that is there is changed by people alone.

    *To mend it:*
    1. Put a role into the instance profile: `aws iam add-role-to-instance-profile --instance-profile-name PROFILE --role-name ROLE`; where the profile is gone or was made anew, give the instance another one in its place: `aws ec2 describe-iam-instance-profile-associations --region REGION --filters Name=instance-id,Values=ID`, `aws ec2 replace-iam-instance-profile-association --region REGION --association-id ASSOCIATION --iam-instance-profile Name=PROFILE`
    2. See that no program on the instance asks for metadata without a token any more: in CloudWatch its metric MetadataNoToken stays at 0. Newer SDKs and agents need no change.
    3. Then require tokens: `aws ec2 modify-instance-metadata-options --region REGION --instance-id ID --http-tokens required`
    4. Say the same in the launch template or the infrastructure code that the instance comes from, or the next one is like it.
    If it is meant to be so, ask whoever runs iamwarden for an exemption (an entry in `[[exemptions]]` with `principals = ["instance/i-00000000000000001", "instance/i-00000000000000002"], rules = ["instance_roles"], until, reason`).
    "#);

    let mut by_hand = Installation::begin(with(vec![web()]), &rules("enforce", "")).await;
    by_hand.configure(|config| {
        config.notifications.channels[0].kind = ChannelKind::Slack;
        config.notifications.channels[0].secret = None;
    });
    by_hand.run().await;
    insta::assert_snapshot!(by_hand.desk.chat().join("\n======\n"), @r#"
    The instance i-00000000000000001 (web-1, eu-central-1) has no instance profile (`instance/i-00000000000000001` in 123456789012)
    Without a role, whatever runs on it needs access keys, which do not expire. Give it one by hand, or declare a default_profile that such instances get.

    *To mend it:*
    1. Make a role that EC2 may assume and that allows what the programs on the instance do: console, IAM, Roles, Create role, AWS service, EC2. The instance profile of the same name is made with it.
    2. Give it to the instance, which need not be restarted: `aws ec2 associate-iam-instance-profile --region REGION --instance-id ID --iam-instance-profile Name=PROFILE`
    3. Take the access keys out of the programs' environment and configuration, which come before the role, and then delete them.
    4. Say the same in the launch template or the infrastructure code that the instance comes from, or the next one is like it.
    If it is meant to be so, ask whoever runs iamwarden for an exemption (an entry in `[[exemptions]]` with `principals = ["instance/i-00000000000000001"], rules = ["instance_roles"], until, reason`).
    "#);
}
