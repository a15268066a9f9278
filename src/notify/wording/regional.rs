//! What messages say of what lives in regions.

use super::{Item, exemption_advice};
use crate::model::{Arn, Finding, RegionalChange, log_group_name};
use crate::notify::text::Text;

/// The thing that a change is made to, as it reads in a sentence.
pub(super) fn target(text: Text, resource: &Arn, change: &RegionalChange) -> Text {
    match change {
        RegionalChange::StartLogging {} | RegionalChange::UpdateTrail(_) => {
            let text = text.say("trail ").code(resource.name());
            text.say(" (").say(resource.region()).say(")")
        }
        RegionalChange::CreateTrail(settings) => {
            let text = text.say("trail ").code(&settings.name);
            text.say(" (").say(settings.home_region.as_str()).say(")")
        }
        RegionalChange::PutMetricFilter(filter) => {
            let text = text
                .say("metric filter ")
                .code(&filter.name)
                .say(" on log group ");
            text.code(log_group_name(resource))
        }
        RegionalChange::PutMetricAlarm(alarm) => {
            let text = text.say("alarm ").code(&alarm.name);
            text.say(" (").say(resource.region()).say(")")
        }
        RegionalChange::CreateAnalyzer(settings) => {
            let text = text.say("analyzer ").code(&settings.name);
            text.say(" (").say(settings.arn.region()).say(")")
        }
        RegionalChange::AssociateInstanceProfile { .. } => {
            let text = text.say("instance ").code(resource.name());
            text.say(" (").say(resource.region()).say(")")
        }
    }
}

pub(super) fn trail_steps(items: &[Item]) -> Vec<Text> {
    let mut lines = vec![
        Text::new().strong("To mend it:"),
        Text::new()
            .say("1. See what the trail logs, and where: ")
            .code("aws cloudtrail get-event-selectors --trail-name TRAIL"),
        Text::new()
            .say("2. Let one trail of all regions log all management events: ")
            .code(
                "aws cloudtrail put-event-selectors --trail-name TRAIL --event-selectors \
             '[{\"ReadWriteType\":\"All\",\"IncludeManagementEvents\":true}]'",
            ),
        Text::new()
            .say("3. Close a bucket that is open to everybody: ")
            .code(
                "aws s3api put-public-access-block --bucket BUCKET --public-access-block-configuration \
             BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true",
            ),
        Text::new().say("The trail of an organization is changed in its management account."),
    ];
    lines.extend(exemption_advice(items, "If it is meant to be so"));
    lines
}

pub(super) fn analyzer_steps(items: &[Item]) -> Vec<Text> {
    let mut lines = vec![
        Text::new().strong("To mend it:"),
        Text::new()
            .say("1. See what is there, and why it does not work: ")
            .code("aws accessanalyzer list-analyzers --region REGION"),
        Text::new()
            .say("2. Delete one that is of no use any more (what it found goes with it): ")
            .code("aws accessanalyzer delete-analyzer --region REGION --analyzer-name NAME"),
        Text::new()
            .say("3. Make one, which costs nothing: ")
            .code("aws accessanalyzer create-analyzer --region REGION --analyzer-name iamwarden --type ACCOUNT"),
        Text::new().say("The analyzer of an organization is made and mended in its management account or by its delegated \
                         administrator."),
    ];
    lines.extend(exemption_advice(
        items,
        "If an organization's analyzer looks after this account",
    ));
    lines
}

pub(super) fn external_access_steps(items: &[Item]) -> Vec<Text> {
    let finding = first_finding_of_analyzer(items);
    let [region, analyzer, id] = finding.unwrap_or(["REGION", "ANALYZER", "ID"]);
    let of = format!("--region {region} --analyzer-arn {analyzer}");
    let mut lines = vec![
        Text::new().strong("To mend it:"),
        Text::new()
            .say("1. See who has access to what, and by which policy: ")
            .code(&format!("aws accessanalyzer get-finding-v2 {of} --id {id}"))
            .say(", or open the finding in the console, under IAM, Access Analyzer, in that region."),
        Text::new().say(
            "2. If it is not meant: take the principal out of the resource's policy (bucket policy, key policy, trust policy), \
             or add a condition that only lets in whom you mean. Access Analyzer sees that within half an hour and closes \
             the finding by itself.",
        ),
        Text::new()
            .say("3. If it is meant: archive the finding, in every region that has one, and it is not told of again: ")
            .code(&format!("aws accessanalyzer update-findings {of} --ids {id} --status ARCHIVED")),
    ];
    lines.extend(exemption_advice(items, "Or, for all access to the resource"));
    lines
}

/// Region, analyzer and id of the first that is told of: the commands then are those that its owner needs.
fn first_finding_of_analyzer(items: &[Item]) -> Option<[&str; 3]> {
    let findings = items.iter().flat_map(|item| match item {
        Item::Matter(matter) => matter.findings.as_slice(),
        Item::Result(_)
        | Item::Decision(_)
        | Item::Exemption(_)
        | Item::Failure(_)
        | Item::Digest(_)
        | Item::Request(_)
        | Item::Dispute(_)
        | Item::Report(_) => &[],
    });
    let mut accesses =
        findings.filter_map(|finding| finding.evidence.get("access")?.get(0)?.get("findings")?.get(0));
    accesses.find_map(|found| {
        let text = |name: &str| found.get(name).and_then(serde_json::Value::as_str);
        Some([text("region")?, text("analyzer")?, text("id")?])
    })
}

pub(super) fn alarm_steps(items: &[Item]) -> Vec<Text> {
    let mut lines = vec![
        Text::new().strong("To mend it:"),
        Text::new()
            .say("1. Make a topic, and subscribe whoever is to be told: ")
            .code("aws sns create-topic --name security")
            .say(", ")
            .code("aws sns subscribe --topic-arn TOPIC --protocol email --notification-endpoint ADDRESS"),
        Text::new().say("2. Let them confirm by the link in the message that they get."),
        Text::new()
            .say("3. Name the topic as ")
            .code("topic")
            .say(" in ")
            .code("[rules.iam_alarms]")
            .say(", and iamwarden makes the alarms; or let your own alarms tell it."),
    ];
    lines.extend(exemption_advice(items, "If it is watched elsewhere"));
    lines
}

/// What an instance lacks, as the evidence of its findings names it.
fn lack(items: &[Item], fault: &str) -> bool {
    let lacks = |finding: &Finding| finding.evidence.get("fault").is_some_and(|known| known == fault);
    items.iter().any(|item| match item {
        Item::Matter(matter) => matter.findings.iter().any(lacks),
        Item::Result(_)
        | Item::Decision(_)
        | Item::Exemption(_)
        | Item::Failure(_)
        | Item::Digest(_)
        | Item::Request(_)
        | Item::Dispute(_)
        | Item::Report(_) => false,
    })
}

pub(super) fn instance_steps(items: &[Item]) -> Vec<Text> {
    let mut steps = Vec::new();
    if lack(items, "no_profile") {
        steps.push(Text::new().say(
            "Make a role that EC2 may assume and that allows what the programs on the instance do: console, IAM, Roles, Create \
             role, AWS service, EC2. The instance profile of the same name is made with it.",
        ));
        steps.push(
            Text::new()
                .say("Give it to the instance, which need not be restarted: ")
                .code("aws ec2 associate-iam-instance-profile --region REGION --instance-id ID --iam-instance-profile Name=PROFILE"),
        );
        steps.push(Text::new().say(
            "Take the access keys out of the programs' environment and configuration, which come before the role, and then \
             delete them.",
        ));
    }
    if lack(items, "no_role") {
        steps.push(
            Text::new()
                .say("Put a role into the instance profile: ")
                .code("aws iam add-role-to-instance-profile --instance-profile-name PROFILE --role-name ROLE")
                .say("; where the profile is gone or was made anew, give the instance another one in its place: ")
                .code("aws ec2 describe-iam-instance-profile-associations --region REGION --filters Name=instance-id,Values=ID")
                .say(", ")
                .code("aws ec2 replace-iam-instance-profile-association --region REGION --association-id ASSOCIATION --iam-instance-profile Name=PROFILE"),
        );
    }
    if lack(items, "imds_v1") {
        steps.push(Text::new().say(
            "See that no program on the instance asks for metadata without a token any more: in CloudWatch its metric \
             MetadataNoToken stays at 0. Newer SDKs and agents need no change.",
        ));
        steps.push(
            Text::new()
                .say("Then require tokens: ")
                .code("aws ec2 modify-instance-metadata-options --region REGION --instance-id ID --http-tokens required"),
        );
    }
    steps.push(Text::new().say(
        "Say the same in the launch template or the infrastructure code that the instance comes from, or the next one is like \
         it.",
    ));
    let mut lines = vec![Text::new().strong("To mend it:")];
    for (n, step) in steps.into_iter().enumerate() {
        let mut line = Text::new().say(&format!("{}. ", n + 1));
        line.0.extend(step.0);
        lines.push(line);
    }
    lines.extend(exemption_advice(items, "If it is meant to be so"));
    lines
}

pub(super) fn after_association() -> Vec<Text> {
    vec![Text::new().say(
        "Programs on the instance may now do what the role in the profile may. Access keys in their environment or \
         configuration still come first: take those out, and then delete them. An instance that replaces this one has no \
         profile unless its launch template names it.",
    )]
}
