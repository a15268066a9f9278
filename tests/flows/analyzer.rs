//! Whether anybody looks for access from outside in every region, and who is told of what is open.

use aws_simulator::{AccountSeed, Edit, Fault, FaultKind, Seed};
use iamwarden::config::ChannelKind;
use iamwarden::daemon::Done;
use iamwarden::execute::ActionResult;
use iamwarden::model::{AccountId, FindingStatus, Verdict, WithheldReason};
use serde_json::{Value, json};

use crate::installation::{ACCOUNT, BEGIN, Installation, at, days, only_action};
use crate::races::meanwhile;

const ALONE: &str = r#"
rules.access_key_rotation.mode = "off"
rules.unused_access_keys.mode = "off"
rules.password_policy.mode = "off"
rules.unused_permissions.mode = "off"
[guardrails]
max_changes_percent = 100
[regions]
include = ["eu-central-1", "us-east-1"]
"#;

const ACTIVE: &str = r#"[[accounts.regions.REGION.analyzers]]
name = "outside"
"#;

/// An account with a few people, and this beside them.
fn with(content: &str) -> AccountSeed {
    let text = format!(
        "[[accounts]]\nid = \"{ACCOUNT}\"\nusers = [{{ name = \"visitor-{{n}}\", repeat = 4 }}]\n{content}"
    );
    Seed::parse(&text).unwrap().accounts.remove(0)
}

fn in_region(region: &str) -> String {
    ACTIVE.replace("REGION", region)
}

async fn town(content: &str, mode: &str) -> Installation {
    let rule = format!("{ALONE}\n[rules.access_analyzer]\nmode = \"{mode}\"\n");
    Installation::begin(with(content), &rule).await
}

/// Name and type of the analyzers in a region.
fn analyzers(town: &Installation, region: &str) -> Vec<(String, String)> {
    let account = town.account();
    let there = account["regions"][region]["analyzers"].as_object();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let one = |(name, analyzer): (&String, &Value)| (name.clone(), text(&analyzer["kind"]));
    there.into_iter().flatten().map(one).collect()
}

fn own() -> Vec<(String, String)> {
    vec![("iamwarden".to_owned(), "ACCOUNT".to_owned())]
}

/// Whoever is told reads it in a chat.
fn chat(town: &mut Installation) {
    town.configure(|config| {
        config.notifications.channels[0].kind = ChannelKind::Slack;
        config.notifications.channels[0].secret = None;
    });
}

fn found(done: &Done) -> Vec<String> {
    let findings = done.planned.plan.findings.iter();
    findings
        .map(|finding| format!("{}: {}", finding.status.as_str(), finding.title))
        .collect()
}

const EU: &str = "violation: Nobody looks for access from outside in eu-central-1";
const US_UNREAD: &str = "unknown: The analyzers of us-east-1 could not be read";

#[tokio::test]
async fn where_somebody_looks_everywhere_there_is_nothing_to_say() {
    let town = town(
        &format!("{}{}", in_region("eu-central-1"), in_region("us-east-1")),
        "enforce",
    )
    .await;
    let done = town.run().await;
    assert_eq!(found(&done), Vec::<String>::new());
    assert_eq!(town.changes(), []);
    assert_eq!(town.desk.posts().len(), 0);
}

#[tokio::test]
async fn a_region_without_an_analyzer_gets_one_once_and_rollback_takes_it_away() {
    let town = town(&in_region("us-east-1"), "enforce").await;
    let before = town.account();
    let done = town.run().await;
    assert_eq!(found(&done), [EU]);
    let action = only_action(&done).clone();
    assert_eq!(done.reports[0].result, ActionResult::Applied);
    assert_eq!(analyzers(&town, "eu-central-1"), own());
    assert_eq!(town.changes(), [("CreateAnalyzer".to_owned(), at(BEGIN))]);
    assert_eq!(town.desk.diary(), [(at(BEGIN), "analyzer.created".to_owned())]);

    // The second run is silent.
    let second = town.run_at(at(BEGIN) + days(1)).await;
    assert_eq!(found(&second), Vec::<String>::new());
    assert_eq!(second.planned.plan.actions, []);

    town.go_to(at(BEGIN) + days(2));
    let reports = town.roll_back(&action).await;
    assert_eq!(reports[0].result, ActionResult::Applied, "{reports:?}");
    assert_eq!(
        town.account()["regions"]["us-east-1"],
        before["regions"]["us-east-1"]
    );
    assert_eq!(analyzers(&town, "eu-central-1"), []);
    assert_eq!(town.roll_back(&action).await, [], "there is nothing left to undo");

    // What a person undid stays so, until a person says otherwise.
    let held = town.run_at(at(BEGIN) + days(3)).await;
    assert_eq!(
        only_action(&held).withheld_reason,
        Some(WithheldReason::RolledBack)
    );
    assert_eq!(analyzers(&town, "eu-central-1"), []);
    town.decide(&held, &action, Verdict::Approved).await;
    town.run_at(at(BEGIN) + days(4)).await;
    assert_eq!(analyzers(&town, "eu-central-1"), own());
    town.check_books().await;
}

#[tokio::test]
async fn an_answer_that_is_lost_makes_no_second_one() {
    let town = town(&in_region("us-east-1"), "enforce").await;
    let lost = Fault::new(FaultKind::error("InternalServerException")).on("CreateAnalyzer");
    town.simulator.faults().add(lost.after_effect());
    town.run().await;
    assert_eq!(analyzers(&town, "eu-central-1"), own());
    town.simulator.faults().clear();
    let next = town.run_at(at(BEGIN) + days(1)).await;
    assert_eq!(found(&next), Vec::<String>::new());
    assert_eq!(town.changes().len(), 1, "{:?}", town.changes());
    let id = AccountId::parse(ACCOUNT).unwrap();
    assert_eq!(town.state().open_intents(&id).await.unwrap().len(), 0);
    town.check_books().await;
}

#[tokio::test]
async fn in_report_nothing_is_made() {
    let town = town("", "report").await;
    let done = town.run().await;
    assert_eq!(found(&done), [EU, &EU.replace("eu-central-1", "us-east-1")]);
    assert_eq!(town.changes(), []);
}

#[tokio::test]
async fn a_region_that_fails_is_unknown_and_the_others_go_on() {
    for (fault, status) in [
        (FaultKind::error("AccessDeniedException"), "denied"),
        (FaultKind::error("ThrottlingException"), "throttled"),
        (FaultKind::error("ServiceUnavailable"), "failed"),
    ] {
        let town = town("", "enforce").await;
        let fault = Fault::new(fault).on("ListAnalyzers").in_region("us-east-1");
        town.simulator.faults().add(fault);
        let done = town.run().await;
        assert_eq!(found(&done), [EU, US_UNREAD], "{status}");
        assert_eq!(analyzers(&town, "eu-central-1"), own());
        assert_eq!(analyzers(&town, "us-east-1"), []);
        let errors = &done.planned.plan.accounts[0].errors;
        assert_eq!(json!(errors[0].cause), json!(status), "{errors:?}");
        // Nothing stays of it once the region answers again.
        town.simulator.faults().clear();
        town.run_at(at(BEGIN) + days(1)).await;
        assert_eq!(analyzers(&town, "us-east-1"), own());
    }
}

#[tokio::test]
async fn findings_that_cannot_be_read_are_unknown() {
    let town = town(
        &format!("{}{}", in_region("eu-central-1"), in_region("us-east-1")),
        "enforce",
    )
    .await;
    let fault = Fault::new(FaultKind::error("AccessDeniedException")).on("ListFindings");
    town.simulator.faults().add(fault.in_region("us-east-1"));
    let done = town.run().await;
    assert_eq!(
        found(&done),
        ["unknown: What the analyzer outside found in us-east-1 could not be read"]
    );
}

#[tokio::test]
async fn an_exempt_account_is_left_alone() {
    let rule = format!(
        "{ALONE}\n[rules.access_analyzer]\nmode = \"enforce\"\n[[exemptions]]\nprincipals = [\"root\"]\nrules = \
         [\"access_analyzer\"]\nuntil = \"2026-12-31\"\nreason = \"the organization's analyzer\"\n"
    );
    let town = Installation::begin(with(""), &rule).await;
    let done = town.run().await;
    let statuses: Vec<_> = done
        .planned
        .plan
        .findings
        .iter()
        .map(|found| found.status)
        .collect();
    assert_eq!(statuses, [FindingStatus::Exempt, FindingStatus::Exempt]);
    assert_eq!(town.changes(), []);
}

fn late() -> Edit {
    let edit = json!({
        "account": ACCOUNT,
        "regions": {"eu-central-1": {"analyzers": [{"name": "late"}]}},
    });
    serde_json::from_value(edit).unwrap()
}

#[tokio::test]
async fn what_somebody_made_since_the_plan_is_enough() {
    let town = town(&in_region("us-east-1"), "enforce").await;
    let hold = "ListAnalyzers";
    // Two regions are looked into; the third call is the last look.
    let done = meanwhile(&town, hold, 3, async || town.edit(&late())).await;
    let result = &done.reports[0].result;
    assert!(matches!(result, ActionResult::Stale(_)), "{result:?}");
    assert_eq!(
        analyzers(&town, "eu-central-1"),
        [("late".to_owned(), "ACCOUNT".to_owned())]
    );
    assert_eq!(town.changes(), []);
    let next = town.run_at(at(BEGIN) + days(1)).await;
    assert_eq!(found(&next), Vec::<String>::new());
}

#[tokio::test]
async fn what_somebody_deleted_since_is_not_undone() {
    let town = town(&in_region("us-east-1"), "enforce").await;
    let done = town.run().await;
    town.edit(&late());
    town.go_to(at(BEGIN) + days(1));
    let reports = town.roll_back(only_action(&done)).await;
    assert!(
        reports
            .iter()
            .all(|report| report.result != ActionResult::Applied),
        "{reports:?}"
    );
    assert_eq!(
        analyzers(&town, "eu-central-1"),
        [("late".to_owned(), "ACCOUNT".to_owned())]
    );
}

#[tokio::test]
async fn an_analyzer_that_does_not_work_is_told_of() {
    let disabled = format!(
        "{}status = \"DISABLED\"\n{}",
        in_region("eu-central-1"),
        in_region("us-east-1")
    );
    let mut town = town(&disabled, "enforce").await;
    chat(&mut town);
    let done = town.run().await;
    assert_eq!(
        found(&done),
        ["violation: The analyzer outside in eu-central-1 does not work"]
    );
    assert_eq!(town.changes(), []);
    let text = town.desk.chat().remove(0);
    assert!(
        text.contains("aws accessanalyzer list-analyzers --region"),
        "{text}"
    );
}

const SHARED: &str = r#"
[[accounts.roles]]
name = "web"
tags = { owner = "web-team@example.com" }
assumed_by = ["ec2.amazonaws.com"]
[[accounts.regions.us-east-1.analyzers]]
name = "outside"
[[accounts.regions.eu-central-1.analyzers]]
name = "outside"
[[accounts.regions.eu-central-1.analyzers.findings]]
id = "f-1"
resource = "role/web"
external = { principal = { AWS = "210987654321" }, action = ["sts:AssumeRole"] }
"#;

#[tokio::test]
async fn access_from_outside_is_told_to_its_owner_each_week_until_it_is_archived() {
    let mut town = town(SHARED, "enforce").await;
    chat(&mut town);
    let done = town.run().await;
    assert_eq!(
        found(&done),
        ["violation: The role web is open to account 210987654321"]
    );
    town.run_daily_until(at(BEGIN) + days(8)).await;
    let told = town.siem.told("external_access.found");
    assert_eq!(told.len(), 2, "at once, and once in the week after");
    assert_eq!(told[0].at, at(BEGIN));
    assert_eq!(told[0].owner(), Some("web-team@example.com"));
    let text = town.desk.chat().remove(0);
    let of = "--region eu-central-1 --analyzer-arn \
              arn:aws:access-analyzer:eu-central-1:123456789012:analyzer/outside";
    assert!(
        text.contains(&format!("update-findings {of} --ids f-1 --status ARCHIVED")),
        "{text}"
    );
    let archived = SHARED.replace("id = \"f-1\"", "id = \"f-1\"\nstatus = \"ARCHIVED\"");
    let regions = Seed::parse(&format!("[[accounts]]\nid = \"{ACCOUNT}\"\n{archived}"))
        .unwrap()
        .accounts
        .remove(0)
        .regions;
    town.edit(&Edit {
        regions,
        ..Edit::of(ACCOUNT)
    });
    let done = town.run_at(at(BEGIN) + days(9)).await;
    assert_eq!(found(&done), Vec::<String>::new());
    town.run_daily_until(at(BEGIN) + days(20)).await;
    assert_eq!(town.siem.told("external_access.found").len(), 2);
    assert_eq!(town.changes(), []);
}

const UNUSED: &str = r#"
[[accounts.roles]]
name = "old"
age = "500d"
assumed_by = ["ec2.amazonaws.com"]
"#;

const SEEN_UNUSED: &str = r#"
[[accounts.regions.eu-central-1.analyzers]]
name = "unused"
type = "ACCOUNT_UNUSED_ACCESS"
[[accounts.regions.eu-central-1.analyzers.findings]]
id = "u-1"
resource = "role/old"
unused_role = "never"
"#;

#[tokio::test]
async fn unused_access_neither_justifies_a_change_nor_prevents_one() {
    let rules = format!(
        "{ALONE}\n[rules.access_analyzer]\nmode = \"report\"\n[rules.unused_roles]\nmode = \"enforce\"\n"
    );
    let (mut plans, mut testimonies) = (Vec::new(), Vec::new());
    for (content, fault) in [
        (UNUSED.to_owned(), None),
        (format!("{UNUSED}{SEEN_UNUSED}"), None),
        (format!("{UNUSED}{SEEN_UNUSED}"), Some("ListAnalyzers")),
        (format!("{UNUSED}{SEEN_UNUSED}"), Some("ListFindingsV2")),
    ] {
        let town = Installation::begin(with(&content), &rules).await;
        if let Some(operation) = fault {
            let fault = Fault::new(FaultKind::error("AccessDeniedException")).on(operation);
            town.simulator.faults().add(fault);
        }
        let done = town.run().await;
        let of_role = done
            .planned
            .plan
            .findings
            .iter()
            .find(|found| found.rule.as_str() == "unused_roles");
        testimonies.push(of_role.unwrap().evidence.get("access_analyzer").is_some());
        let unused: Vec<_> = done
            .planned
            .plan
            .actions
            .iter()
            .filter(|action| action.change.kind().as_str() == "quarantine_role")
            .collect();
        plans.push(json!(unused));
    }
    assert_eq!(testimonies, [false, true, false, false]);
    assert_eq!(plans[0].as_array().unwrap().len(), 1);
    assert!(plans.iter().all(|plan| *plan == plans[0]), "{plans:#?}");

    // A role that is used stays, whatever Access Analyzer says of it.
    let used = format!("{}last_used = \"2d\"\n{SEEN_UNUSED}", UNUSED);
    let town = Installation::begin(with(&used), &rules).await;
    let done = town.run().await;
    assert!(
        done.planned
            .plan
            .findings
            .iter()
            .all(|found| found.rule.as_str() != "unused_roles")
    );
}
