use proptest::prelude::*;

use super::*;
use crate::config::Window;
use crate::model::{Ladder, RuleName, Severity, Span};
use crate::notify::message::ActionOutcome;
use crate::notify::sample::{self, Told};

fn channels(outgoing: &[Outgoing]) -> Vec<(Option<&str>, &str, bool)> {
    outgoing
        .iter()
        .map(|o| {
            let owner = o.message.owner.as_ref().map(|owner| owner.0.as_str());
            (owner, o.message.channel.as_str(), o.message.copy)
        })
        .collect()
}

#[test]
fn what_was_told_is_not_told_again_beside_something_new() {
    let mut told = Told::warning();
    told.failures.push(sample::failure());
    let first = told.messages(&sample::config());
    let known: BTreeSet<_> = first
        .iter()
        .flat_map(|outgoing| outgoing.entries.clone())
        .collect();
    let mut another = sample::failure();
    another.operation = "iam:ListAccessKeys".to_owned();
    told.failures.push(another);
    let next = told.messages_beside(&sample::config(), sample::now(), &known);
    let of_nobody: Vec<_> = next
        .iter()
        .filter(|outgoing| outgoing.message.owner.is_none())
        .collect();
    for outgoing in of_nobody {
        let items: Vec<_> = outgoing.message.items().collect();
        assert!(
            matches!(items.as_slice(), [(_, Item::Failure(failure))] if failure.operation == "iam:ListAccessKeys"),
            "{items:?}"
        );
    }
    // Whether a date is told again, the planner says.
    let dated = next.iter().find(|outgoing| outgoing.message.owner.is_some());
    assert_eq!(
        dated.unwrap().notices,
        first.iter().find(|o| o.message.owner.is_some()).unwrap().notices
    );
}

#[test]
fn one_message_an_owner_and_one_copy_a_listener() {
    let mut told = Told::warning();
    let (second, action) = sample::old_key("alice-ci", 8, sample::alice());
    told.notifications.push(sample::expiring(&second, &action));
    told.results.push(ActionResult::of(
        &action,
        sample::alice(),
        1,
        sample::now(),
        ActionOutcome::Applied,
    ));
    told.findings.push(second);
    told.actions.push(action);
    told.failures.push(sample::failure());
    let outgoing = told.messages(&sample::config());
    let alice = Some("alice@example.com");
    assert_eq!(
        channels(&outgoing),
        [
            (None, "secops", false),
            (None, "siem", true),
            (alice, "secops", false),
            (alice, "siem", true),
        ]
    );
    let own = &outgoing[2];
    let events: Vec<_> = own
        .message
        .sections
        .iter()
        .map(|s| (s.event, s.items.len()))
        .collect();
    assert_eq!(
        events,
        [(Event::AccessKeyDisabled, 1), (Event::AccessKeyExpiring, 2)]
    );
    assert_eq!(own.message.event(), Some(Event::AccessKeyDisabled));
    assert_eq!(own.notices.len(), 2);
    assert_eq!(own.message.mention.as_deref(), Some("<@U012ABCDEF>"));
    // A copy says the same, mentions nobody and announces nothing.
    let copy = &outgoing[3];
    assert_eq!(copy.message.sections, own.message.sections);
    assert!(copy.notices.is_empty() && copy.message.mention.is_none());
}

#[test]
fn listeners_hear_what_they_listen_to_and_nothing_twice() {
    let mut config = sample::config();
    let mut told = Told::warning();
    told.failures.push(sample::failure());
    let hears = |config: &Config, events: &[&str]| {
        let mut config = config.clone();
        let names = events.iter().map(|e| (*e).to_owned()).collect();
        config.notifications.channels[2].events = names;
        let outgoing = told.messages(&config);
        outgoing
            .into_iter()
            .filter(|o| o.message.channel == "siem")
            .map(|o| o.message.sections.iter().map(|s| s.event).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    assert_eq!(hears(&config, &["run.failed"]), [[Event::RunFailed]]);
    assert_eq!(hears(&config, &["access_key.disabled"]), Vec::<Vec<Event>>::new());
    // A listener that the message goes to anyway gets no copy.
    config.notifications.channels[0].events = vec!["*".to_owned()];
    let outgoing = told.messages(&config);
    let to_secops = outgoing.iter().filter(|o| o.message.channel == "secops");
    assert_eq!(to_secops.count(), 2);
}

#[test]
fn without_a_channel_only_listeners_hear_and_it_is_no_notice() {
    let mut config = sample::config();
    config.notifications.default_channel = None;
    let mut told = Told::warning();
    told.notifications[0].channel = None;
    let outgoing = told.messages(&config);
    assert_eq!(channels(&outgoing), [(Some("alice@example.com"), "siem", true)]);
    assert!(outgoing[0].notices.is_empty());
}

#[test]
fn a_second_run_with_nothing_new_says_nothing_new() {
    let mut told = Told::warning();
    told.failures.push(sample::failure());
    told.exemptions.push(sample::exemption("2026-11-23"));
    told.decisions.push(sample::decided(told.actions.clone()));
    told.results.push(sample::password_policy(ActionOutcome::Applied));
    let config = sample::config();
    let keys = |told: &Told, later: chrono::TimeDelta| -> Vec<String> {
        let outgoing = told.messages_at(&config, sample::now() + later);
        outgoing.into_iter().map(|o| o.dedup_key).collect()
    };
    let first = keys(&told, chrono::TimeDelta::zero());
    assert_eq!(first, keys(&told, chrono::TimeDelta::minutes(10)));
    let mut all = first.clone();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), first.len());
    // The next rung, another date and another attempt are news; so is a failure that lasts into the next day.
    let changed = |change: &dyn Fn(&mut Told)| {
        let mut told = Told::warning();
        told.results.push(sample::password_policy(ActionOutcome::Applied));
        let before = keys(&told, chrono::TimeDelta::zero());
        change(&mut told);
        before != keys(&told, chrono::TimeDelta::zero())
    };
    assert!(changed(
        &|t| t.notifications[0].notices[0].ladder = Ladder::Before(Span::from_days(1))
    ));
    assert!(changed(
        &|t| t.notifications[0].notices[0].announced_for += chrono::TimeDelta::days(1)
    ));
    assert!(changed(&|t| t.results[0].attempt = 2));
    assert!(!changed(&|t| t.results[0].at += chrono::TimeDelta::days(1)));
    assert!(!changed(
        &|t| t.findings[0].detail = "another day older".to_owned()
    ));
    assert_ne!(first, keys(&told, chrono::TimeDelta::days(1)));
}

#[test]
fn two_rules_about_one_key_are_one_matter() {
    let mut told = Told::warning();
    let mut other = told.findings[0].clone();
    other.rule = RuleName::new("unused_access_keys");
    other.id = FindingId::of(&other.rule, &other.account, &other.resource, "key");
    other.title = "Access key has been unused for 50 days".to_owned();
    told.actions[0].also.push(other.id.clone());
    let subject = told.actions[0].change.subject();
    let notification = &mut told.notifications[0];
    notification.findings.push(other.id.clone());
    notification.notices.push(sample::notice(&other, &subject));
    told.findings.push(other);
    let message = told.message_for("secops");
    let [Item::Matter(matter)] = message.sections[0].items.as_slice() else {
        panic!("one matter expected: {message:?}")
    };
    assert_eq!(
        (matter.findings.len(), matter.notices.len(), matter.actions.len()),
        (2, 2, 1)
    );
    // Where the dates differ both are said.
    told.notifications[0].notices[1].announced_for += chrono::TimeDelta::days(3);
    assert_eq!(told.message_for("secops").sections[0].items.len(), 2);
}

#[test]
fn a_warning_before_there_is_an_action_names_its_id() {
    let mut told = Told::warning();
    let action = told.actions.remove(0);
    let body = render(&told.message_for("secops"), ChannelKind::Slack).concat();
    assert!(body.contains(action.id.as_str()));
    assert!(body.contains("will be disabled on Mon 30 Nov 2026 06:00 UTC"));
}

#[test]
fn reminders_wait_for_the_morning() {
    let mut config = sample::config();
    config.notifications.quiet_hours = Some(Window::parse("18:00-08:00").unwrap());
    let reminder = &Told::warning().messages(&config)[0];
    assert_eq!(reminder.deliver_after.to_rfc3339(), "2026-11-23T08:00:00+00:00");
    let result = &Told::result(ActionOutcome::Applied).messages(&config)[0];
    assert_eq!(result.deliver_after, sample::now());
}

#[test]
fn each_part_carries_its_own_dates() {
    let mut told = Told::default();
    let mut notification: Option<Notification> = None;
    for n in 0..60 {
        let (finding, action) = sample::old_key(&format!("user-{n:02}"), n, sample::alice());
        let one = sample::expiring(&finding, &action);
        match &mut notification {
            Some(all) => {
                all.findings.extend(one.findings);
                all.notices.extend(one.notices);
            }
            None => notification = Some(one),
        }
        told.findings.push(finding);
        told.actions.push(action);
    }
    told.notifications.extend(notification);
    let mut outgoing = told.messages(&sample::config());
    outgoing.retain(|o| o.message.channel == "secops");
    assert!(outgoing.len() > 1);
    let mut ids: Vec<_> = outgoing
        .iter()
        .flat_map(|o| [o.message.id.clone(), o.dedup_key.clone()])
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), outgoing.len() * 2);
    for part in &outgoing {
        let body = render(&part.message, ChannelKind::Slack).concat();
        assert!(body.contains(&format!("of {}", outgoing.len())));
        for notice in &part.notices {
            let named = told
                .findings
                .iter()
                .find(|f| f.id == notice.notice.finding)
                .unwrap();
            assert!(body.contains(&format!("`{}`", named.resource.name())));
        }
    }
    assert_eq!(outgoing.iter().map(|o| o.notices.len()).sum::<usize>(), 60);
}

#[test]
fn a_digest_counts_and_names_the_worst() {
    let mut told = Told::default();
    for n in 0..25 {
        let (mut finding, _) = sample::old_key(&format!("user-{n:02}"), n, sample::alice());
        finding.severity = if n % 5 == 0 { Severity::High } else { Severity::Low };
        told.findings.push(finding);
    }
    let mut notification = sample::notification(Event::ReportDigest, &[], Vec::new());
    notification.findings = told.findings.iter().map(|f| f.id.clone()).collect();
    told.notifications.push(notification);
    let message = told.message_for("secops");
    let [Item::Digest(digest)] = message.sections[0].items.as_slice() else {
        panic!("one digest expected: {message:?}")
    };
    let counts: Vec<_> = digest.counts.iter().map(|c| (c.severity, c.count)).collect();
    assert_eq!(counts, [(Severity::High, 5), (Severity::Low, 20)]);
    assert!(digest.top[..5].iter().all(|f| f.severity == Severity::High));
    assert_eq!((digest.total, digest.top.len()), (25, 10));
}

#[test]
fn the_stored_form_reads_back() {
    for told in [
        Told::warning(),
        Told::result(ActionOutcome::RolledBack { by: "bob".to_owned() }),
        Told {
            results: vec![sample::password_policy(ActionOutcome::Applied)],
            exemptions: vec![sample::exemption("2026-11-23")],
            failures: vec![sample::failure()],
            decisions: vec![sample::decided(Vec::new())],
            ..Told::default()
        },
    ] {
        for outgoing in told.messages(&sample::config()) {
            let stored = serde_json::to_string(&outgoing.message).unwrap();
            assert_eq!(
                serde_json::from_str::<Message>(&stored).unwrap(),
                outgoing.message
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_order_of_inputs_does_not_matter(order in Just((0..6usize).collect::<Vec<_>>()).prop_shuffle()) {
        let pairs: Vec<_> = (0..6).map(|n| sample::old_key(&format!("user-{n}"), n, sample::alice())).collect();
        let tell = |order: &[usize]| {
            let mut told = Told::default();
            for (finding, action) in order.iter().map(|n| &pairs[*n]) {
                told.notifications.push(sample::expiring(finding, action));
                told.findings.push(finding.clone());
                told.actions.push(action.clone());
            }
            told.messages(&sample::config())
        };
        let sorted: Vec<usize> = (0..6).collect();
        prop_assert_eq!(tell(&order), tell(&sorted));
    }
}
