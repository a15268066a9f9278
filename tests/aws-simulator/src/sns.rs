//! Simple Notification Service: topics and who gets what is sent to them.

use serde::Serialize;

use crate::context::{Context, Operation, Run};
use crate::wire::error::AwsError;
use crate::wire::page::cut;
use crate::wire::xml::Xml;

/// All operations of the service.
pub(crate) static OPERATIONS: &[Operation] = &[
    Operation::reads("GetTopicAttributes", Run::Xml(attributes)),
    Operation::reads("ListSubscriptionsByTopic", Run::Xml(list_subscriptions)),
];

const PAGE: u32 = 100;

/// A topic.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Topic {
    pub(crate) arn: String,
    pub(crate) display_name: String,
    pub(crate) policy: String,
    pub(crate) subscriptions: Vec<Subscription>,
}

/// A subscription.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Subscription {
    /// `PendingConfirmation` until somebody has confirmed it.
    pub(crate) arn: String,
    /// `email`, `https`, …
    pub(crate) protocol: String,
    pub(crate) endpoint: String,
}

pub(crate) const PENDING: &str = "PendingConfirmation";

fn topic<'a>(cx: &'a Context<'_>) -> Result<&'a Topic, AwsError> {
    let invalid = |arn: &str| {
        let message = format!("Invalid parameter: TopicArn Reason: {arn} is no ARN of a topic here");
        AwsError::new("InvalidParameter", 400, message)
    };
    let arn = cx.query.optional("TopicArn").ok_or_else(|| invalid("nothing"))?;
    let parts: Vec<&str> = arn.split(':').collect();
    match parts.as_slice() {
        ["arn", _, "sns", region, _, _] if *region == cx.region => {}
        _ => return Err(invalid(arn)),
    }
    let absent = || AwsError::new("NotFound", 404, "Topic does not exist");
    cx.here()
        .topics
        .values()
        .find(|topic| topic.arn == arn)
        .ok_or_else(absent)
}

fn attributes(cx: &mut Context<'_>) -> Result<Xml, AwsError> {
    let topic = topic(cx)?;
    let pending = topic
        .subscriptions
        .iter()
        .filter(|one| one.arn == PENDING)
        .count();
    let delivery = r#"{"http":{"defaultHealthyRetryPolicy":{"numRetries":3,"numNoDelayRetries":0,"minDelayTarget":20,"maxDelayTarget":20,"numMinDelayRetries":0,"numMaxDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false}}"#;
    let attributes = [
        ("DisplayName", topic.display_name.clone()),
        ("EffectiveDeliveryPolicy", delivery.to_owned()),
        ("Owner", cx.account.id.clone()),
        ("Policy", topic.policy.clone()),
        (
            "SubscriptionsConfirmed",
            (topic.subscriptions.len() - pending).to_string(),
        ),
        ("SubscriptionsDeleted", "0".to_owned()),
        ("SubscriptionsPending", pending.to_string()),
        ("TopicArn", topic.arn.clone()),
    ];
    let mut xml = Xml::new();
    xml.node("Attributes", |x| {
        for (key, value) in attributes {
            x.node("entry", |x| {
                x.text("key", key).text("value", value);
            });
        }
    });
    Ok(xml)
}

fn list_subscriptions(cx: &mut Context<'_>) -> Result<Xml, AwsError> {
    let topic = topic(cx)?;
    let numbered = topic.subscriptions.iter().enumerate();
    let keyed = numbered
        .map(|(index, one)| (format!("{index:08}"), one))
        .collect();
    let invalid = || AwsError::new("InvalidParameter", 400, "Invalid parameter: NextToken");
    let page = cut(keyed, cx.query.optional("NextToken"), PAGE, cx.paging).ok_or_else(invalid)?;
    let mut xml = Xml::new();
    xml.members("Subscriptions", page.items, |x, one| {
        x.text("SubscriptionArn", &one.arn)
            .text("Owner", &cx.account.id)
            .text("Protocol", &one.protocol)
            .text("Endpoint", &one.endpoint)
            .text("TopicArn", &topic.arn);
    });
    xml.optional("NextToken", page.next);
    Ok(xml)
}
