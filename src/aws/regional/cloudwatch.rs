//! CloudWatch, read: alarms on metrics.

use super::super::convert::{Converted, odd};
use super::super::errors::{AwsError, Scope};
use super::super::operation;
use super::super::pages::Pages;
use super::super::reader::{Reader, usable};
use super::element::Element;
use super::wire::{Question, Service};
use crate::model::{MetricAlarm, MetricName, Region};

pub(super) const CLOUDWATCH: Service = Service {
    prefix: "cloudwatch",
    id: "CloudWatch",
    host: "monitoring",
};

pub(super) fn question(parameters: Vec<(&'static str, String)>) -> Question {
    Question::Form {
        version: "2010-08-01",
        parameters,
    }
}

/// Most alarms of a page.
const PAGE: &str = "100";

impl Reader {
    /// The alarms on metrics in a region, by name. `DescribeAlarms`, all pages.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn metric_alarms(&self, region: &Region) -> Result<Vec<MetricAlarm>, AwsError> {
        let scope = self.scope(operation::DESCRIBE_ALARMS, None);
        let mut alarms = Vec::new();
        let mut pages = Pages::default();
        loop {
            let mut parameters = vec![
                ("AlarmTypes.member.1", "MetricAlarm".to_owned()),
                ("MaxRecords", PAGE.to_owned()),
            ];
            parameters.extend(pages.marker().map(|token| ("NextToken", token)));
            let (page, next) = self.alarms_page(scope, region, parameters).await?;
            alarms.extend(page);
            if !usable(scope, pages.turn(next.is_some(), next))? {
                break;
            }
        }
        alarms.sort();
        Ok(alarms)
    }

    /// The alarm of that name; `None`: there is none. `DescribeAlarms`.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn metric_alarm(&self, region: &Region, name: &str) -> Result<Option<MetricAlarm>, AwsError> {
        let scope = self.scope(operation::DESCRIBE_ALARMS, None);
        let parameters = vec![("AlarmNames.member.1", name.to_owned())];
        let (page, _) = self.alarms_page(scope, region, parameters).await?;
        Ok(page.into_iter().find(|alarm| alarm.name == name))
    }

    async fn alarms_page(
        &self,
        scope: Scope<'_>,
        region: &Region,
        parameters: Vec<(&'static str, String)>,
    ) -> Result<(Vec<MetricAlarm>, Option<String>), AwsError> {
        let asked =
            self.regional
                .ask_by_hand(&CLOUDWATCH, region, scope.operation, question(parameters), None);
        let answer: Element = self.ask(scope, asked).await?;
        usable(scope, page(&answer))
    }
}

fn page(answer: &Element) -> Converted<(Vec<MetricAlarm>, Option<String>)> {
    let result = answer.needed("DescribeAlarmsResult")?;
    result.needed("MetricAlarms")?;
    let alarms = result
        .members("MetricAlarms", "member")
        .map(alarm)
        .collect::<Converted<_>>()?;
    Ok((alarms, result.text_of("NextToken").map(str::to_owned)))
}

fn alarm(member: &Element) -> Converted<MetricAlarm> {
    let text = |name: &str| member.text_of(name).map(str::to_owned);
    let count = |name: &str| match member.text_of(name) {
        Some(text) => text
            .parse::<u32>()
            .map(Some)
            .map_err(|_| odd(format!("`{name}` is no number"))),
        None => Ok(None),
    };
    let own = metric(member);
    let of_expression = member
        .members("Metrics", "member")
        .filter_map(|query| query.child("MetricStat"));
    let of_expression = of_expression
        .filter_map(|stat| stat.child("Metric"))
        .filter_map(metric);
    let mut metrics: Vec<_> = own.into_iter().chain(of_expression).collect();
    metrics.sort();
    metrics.dedup();
    let mut actions: Vec<_> = member
        .members("AlarmActions", "member")
        .map(|action| action.text().to_owned())
        .collect();
    actions.sort();
    Ok(MetricAlarm {
        name: member.needed_text("AlarmName")?.to_owned(),
        metrics,
        comparison: text("ComparisonOperator").unwrap_or_default(),
        threshold: number(member.text_of("Threshold"))?,
        statistic: text("Statistic"),
        period: count("Period")?,
        evaluation_periods: count("EvaluationPeriods")?.unwrap_or(1),
        treat_missing_data: text("TreatMissingData"),
        actions_enabled: member.needed_flag("ActionsEnabled")?,
        actions,
    })
}

fn metric(element: &Element) -> Option<MetricName> {
    Some(MetricName {
        namespace: element.text_of("Namespace")?.to_owned(),
        name: element.text_of("MetricName")?.to_owned(),
    })
}

/// `1`, however it is written; empty where there is none, as where a band is watched.
fn number(text: Option<&str>) -> Converted<String> {
    match text {
        None => Ok(String::new()),
        Some(text) => match text.parse::<f64>() {
            Ok(number) => Ok(number.to_string()),
            Err(_) => Err(odd("`Threshold` is no number")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_are_read_whole() {
        let answer = Element::parse(
            "<DescribeAlarmsResponse><DescribeAlarmsResult><MetricAlarms><member><AlarmName>a</AlarmName>\
             <ActionsEnabled>true</ActionsEnabled><AlarmActions><member>arn:x</member></AlarmActions>\
             <MetricName>m</MetricName><Namespace>n</Namespace><Threshold>1.0</Threshold><Period>300</Period>\
             </member><member><AlarmName>b</AlarmName><ActionsEnabled>false</ActionsEnabled><Metrics><member>\
             <MetricStat><Metric><Namespace>n</Namespace><MetricName>m</MetricName></Metric></MetricStat></member>\
             <member><Expression>m1 + m2</Expression></member></Metrics></member></MetricAlarms>\
             <NextToken>t</NextToken></DescribeAlarmsResult></DescribeAlarmsResponse>",
        );
        let (alarms, next) = page(&answer.unwrap()).unwrap();
        let metric = MetricName {
            namespace: "n".to_owned(),
            name: "m".to_owned(),
        };
        assert_eq!(next.as_deref(), Some("t"));
        assert_eq!(alarms.len(), 2);
        assert_eq!((alarms[0].threshold.as_str(), alarms[0].period), ("1", Some(300)));
        assert_eq!(alarms[0].actions, ["arn:x"]);
        assert!(alarms.iter().all(|alarm| alarm.metrics == [metric.clone()]));
        assert!(page(&Element::parse("<DescribeAlarmsResponse/>").unwrap()).is_err());
    }
}
