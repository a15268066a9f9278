//! SNS, read: who hears of a topic.

use super::super::errors::AwsError;
use super::super::operation;
use super::super::pages::Pages;
use super::super::reader::{Reader, usable};
use super::element::Element;
use super::wire::{Question, Service};
use crate::model::Arn;

const SNS: Service = Service {
    prefix: "sns",
    id: "SNS",
    host: "sns",
};

impl Reader {
    /// How many confirmed subscriptions a topic has. `ListSubscriptionsByTopic`, all pages.
    ///
    /// # Errors
    /// [`AwsError`]; of kind `Gone` where there is no such topic.
    pub async fn confirmed_subscriptions(&self, topic: &Arn) -> Result<usize, AwsError> {
        let scope = self.scope(operation::LIST_SUBSCRIPTIONS_BY_TOPIC, Some(topic));
        let region = self.region_of(scope, topic)?;
        let mut confirmed = 0;
        let mut pages = Pages::default();
        loop {
            let mut parameters = vec![("TopicArn", topic.to_string())];
            parameters.extend(pages.marker().map(|token| ("NextToken", token)));
            let question = Question::Form {
                version: "2010-03-31",
                parameters,
            };
            let asked = self
                .regional
                .ask_by_hand(&SNS, &region, scope.operation, question, None);
            let answer: Element = self.ask(scope, asked).await?;
            let result = usable(scope, answer.needed("ListSubscriptionsByTopicResult"))?;
            usable(scope, result.needed("Subscriptions"))?;
            // One that waits for confirmation, or was deleted, has a word where the others have an ARN.
            let arns = result
                .members("Subscriptions", "member")
                .filter_map(|s| s.text_of("SubscriptionArn"));
            confirmed += arns.filter(|arn| Arn::parse(arn).is_ok()).count();
            let next = result.text_of("NextToken").map(str::to_owned);
            if !usable(scope, pages.turn(next.is_some(), next))? {
                return Ok(confirmed);
            }
        }
    }
}
