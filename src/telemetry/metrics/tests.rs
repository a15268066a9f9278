use super::*;

const PASSWORDS: RuleName = RuleName::new("password_policy");

fn account() -> AccountId {
    AccountId::parse("123456789012").unwrap()
}

fn finding(severity: Severity, status: FindingStatus) -> Finding {
    let resource: crate::model::Arn = crate::model::Arn::parse("arn:aws:iam::123456789012:root").unwrap();
    Finding {
        id: crate::model::FindingId::of(&PASSWORDS, &account(), &resource, ""),
        rule: PASSWORDS,
        account: account(),
        resource,
        severity,
        status,
        title: String::new(),
        detail: String::new(),
        evidence: serde_json::Map::new(),
        owner: None,
        proposal: None,
    }
}

/// The text with the samples of each metric in order: the library keeps them in a hash map.
fn text(metrics: &Metrics) -> String {
    let text = metrics.encode_open().unwrap();
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    for line in text.lines() {
        match blocks.last_mut() {
            Some(block) if !line.starts_with("# HELP") && !line.starts_with("# EOF") => block.push(line),
            _ => blocks.push(vec![line]),
        }
    }
    for block in &mut blocks {
        // Buckets are in order already.
        if !block.iter().any(|line| line.contains("_bucket")) {
            block.sort_unstable();
        }
    }
    blocks.concat().join("\n")
}

fn samples<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    text.lines()
        .filter(|line| line.starts_with(name) && !line.ends_with(" 0"))
        .collect()
}

#[test]
fn everything_known_beforehand_starts_at_zero() {
    let metrics = Metrics::new([PASSWORDS], &["iam:ListUsers"]);
    metrics.declare_account(&account());
    let whole = text(&metrics);
    for kind in ChangeKind::ALL {
        let mine = format!("iamwarden_actions_total{{kind=\"{kind}\",");
        assert_eq!(
            whole
                .lines()
                .filter(|line| line.starts_with(&mine) && line.ends_with(" 0"))
                .count(),
            6,
            "{kind}"
        );
    }
    // One kind of change stands for all.
    let shown =
        |line: &&str| !line.starts_with("iamwarden_actions_total") || line.contains("disable_access_key");
    let shown: Vec<_> = whole.lines().filter(shown).collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    # HELP iamwarden_build_info The version that runs; the value is always 1.
    # TYPE iamwarden_build_info gauge
    iamwarden_build_info{version="0.1.0"} 1
    # HELP iamwarden_findings Findings of the last run of each rule.
    # TYPE iamwarden_findings gauge
    iamwarden_findings{rule="password_policy",severity="critical",status="exempt",account="123456789012"} 0
    iamwarden_findings{rule="password_policy",severity="critical",status="unknown",account="123456789012"} 0
    iamwarden_findings{rule="password_policy",severity="critical",status="violation",account="123456789012"} 0
    iamwarden_findings{rule="password_policy",severity="critical",status="warning",account="123456789012"} 0
    iamwarden_findings{rule="password_policy",severity="high",status="exempt",account="123456789012"} 0
    iamwarden_findings{rule="password_policy",severity="high",status="unknown",account="123456789012"} 0
    iamwarden_findings{rule="password_policy",severity="high",status="violation",account="123456789012"} 0
    iamwarden_findings{rule="password_policy",severity="high",status="warning",account="123456789012"} 0
    iamwarden_findings{rule="password_policy",severity="low",status="exempt",account="123456789012"} 0
    iamwarden_findings{rule="password_policy",severity="low",status="unknown",account="123456789012"} 0
    iamwarden_findings{rule="password_policy",severity="low",status="violation",account="123456789012"} 0
    iamwarden_findings{rule="password_policy",severity="low",status="warning",account="123456789012"} 0
    iamwarden_findings{rule="password_policy",severity="medium",status="exempt",account="123456789012"} 0
    iamwarden_findings{rule="password_policy",severity="medium",status="unknown",account="123456789012"} 0
    iamwarden_findings{rule="password_policy",severity="medium",status="violation",account="123456789012"} 0
    iamwarden_findings{rule="password_policy",severity="medium",status="warning",account="123456789012"} 0
    # HELP iamwarden_actions Actions by how they ended.
    # TYPE iamwarden_actions counter
    iamwarden_actions_total{kind="disable_access_key",outcome="applied"} 0
    iamwarden_actions_total{kind="disable_access_key",outcome="failed"} 0
    iamwarden_actions_total{kind="disable_access_key",outcome="held"} 0
    iamwarden_actions_total{kind="disable_access_key",outcome="not_applied"} 0
    iamwarden_actions_total{kind="disable_access_key",outcome="rolled_back"} 0
    iamwarden_actions_total{kind="disable_access_key",outcome="stale"} 0
    # HELP iamwarden_aws_calls Calls to AWS by how they ended.
    # TYPE iamwarden_aws_calls counter
    iamwarden_aws_calls_total{operation="iam:ListUsers",result="denied"} 0
    iamwarden_aws_calls_total{operation="iam:ListUsers",result="error"} 0
    iamwarden_aws_calls_total{operation="iam:ListUsers",result="ok"} 0
    iamwarden_aws_calls_total{operation="iam:ListUsers",result="throttled"} 0
    # HELP iamwarden_aws_throttles Calls that AWS turned away as one too many.
    # TYPE iamwarden_aws_throttles counter
    iamwarden_aws_throttles_total 0
    # HELP iamwarden_runs Runs by how they ended.
    # TYPE iamwarden_runs counter
    iamwarden_runs_total{result="completed"} 0
    iamwarden_runs_total{result="failed"} 0
    iamwarden_runs_total{result="interrupted"} 0
    # HELP iamwarden_run_duration_seconds How long runs took.
    # TYPE iamwarden_run_duration_seconds histogram
    iamwarden_run_duration_seconds_sum 0.0
    iamwarden_run_duration_seconds_count 0
    iamwarden_run_duration_seconds_bucket{le="0.5"} 0
    iamwarden_run_duration_seconds_bucket{le="1.0"} 0
    iamwarden_run_duration_seconds_bucket{le="2.5"} 0
    iamwarden_run_duration_seconds_bucket{le="5.0"} 0
    iamwarden_run_duration_seconds_bucket{le="10.0"} 0
    iamwarden_run_duration_seconds_bucket{le="30.0"} 0
    iamwarden_run_duration_seconds_bucket{le="60.0"} 0
    iamwarden_run_duration_seconds_bucket{le="120.0"} 0
    iamwarden_run_duration_seconds_bucket{le="300.0"} 0
    iamwarden_run_duration_seconds_bucket{le="600.0"} 0
    iamwarden_run_duration_seconds_bucket{le="1800.0"} 0
    iamwarden_run_duration_seconds_bucket{le="3600.0"} 0
    iamwarden_run_duration_seconds_bucket{le="+Inf"} 0
    # HELP iamwarden_last_success_timestamp_seconds When the rule last read all it needs of the account, in Unix time; 0: never.
    # TYPE iamwarden_last_success_timestamp_seconds gauge
    iamwarden_last_success_timestamp_seconds{rule="password_policy",account="123456789012"} 0
    # HELP iamwarden_schedule_skips Scheduled times skipped because the rule was still running.
    # TYPE iamwarden_schedule_skips counter
    iamwarden_schedule_skips_total{rule="password_policy"} 0
    # HELP iamwarden_config_reloads Configurations read on SIGHUP.
    # TYPE iamwarden_config_reloads counter
    iamwarden_config_reloads_total{result="adopted"} 0
    iamwarden_config_reloads_total{result="refused"} 0
    # HELP iamwarden_outbox_depth Messages in the outbox.
    # TYPE iamwarden_outbox_depth gauge
    iamwarden_outbox_depth{state="dead"} 0
    iamwarden_outbox_depth{state="pending"} 0
    # HELP iamwarden_frozen 1 while all changes are frozen.
    # TYPE iamwarden_frozen gauge
    iamwarden_frozen 0
    # HELP iamwarden_lease_held 1 while this process may change the account.
    # TYPE iamwarden_lease_held gauge
    iamwarden_lease_held{account="123456789012"} 0
    # EOF
    "#);
}

#[test]
fn prometheus_text_names_counters_as_their_samples() {
    let metrics = Metrics::new([PASSWORDS], &[]);
    let text = metrics.encode().unwrap();
    let of = |name: &str| -> Vec<&str> { text.lines().filter(|line| line.contains(name)).collect() };
    insta::assert_snapshot!(of("iamwarden_aws_throttles").join("\n"), @r"
    # HELP iamwarden_aws_throttles_total Calls that AWS turned away as one too many.
    # TYPE iamwarden_aws_throttles_total counter
    iamwarden_aws_throttles_total 0
    ");
    insta::assert_snapshot!(of("iamwarden_frozen").join("\n"), @r"
    # HELP iamwarden_frozen 1 while all changes are frozen.
    # TYPE iamwarden_frozen gauge
    iamwarden_frozen 0
    ");
    assert!(!text.contains("# EOF"));
}

#[test]
fn findings_replace_those_of_the_last_run_of_the_rules_that_ran() {
    let metrics = Metrics::new([PASSWORDS], &[]);
    let bad = finding(Severity::High, FindingStatus::Violation);
    let late = finding(Severity::Low, FindingStatus::Warning);
    metrics.set_findings(&account(), &[PASSWORDS], [&bad, &bad, &late]);
    let first = text(&metrics);
    metrics.set_findings(&account(), &[RuleName::new("another")], []);
    assert_eq!(
        text(&metrics)
            .matches("password_policy\",severity=\"high\"")
            .count(),
        4
    );
    assert!(text(&metrics).contains("status=\"violation\",account=\"123456789012\"} 2"));
    metrics.set_findings(&account(), &[PASSWORDS], [&late]);
    insta::assert_snapshot!(samples(&first, "iamwarden_findings").join("\n"), @r#"
    iamwarden_findings{rule="password_policy",severity="high",status="violation",account="123456789012"} 2
    iamwarden_findings{rule="password_policy",severity="low",status="warning",account="123456789012"} 1
    "#);
    insta::assert_snapshot!(samples(&text(&metrics), "iamwarden_findings").join("\n"), @r#"iamwarden_findings{rule="password_policy",severity="low",status="warning",account="123456789012"} 1"#);
}

#[test]
fn of_an_account_that_is_gone_nothing_shows() {
    let metrics = Metrics::new([PASSWORDS], &[]);
    metrics.declare_account(&account());
    let here = text(&metrics);
    let gone = AccountId::parse("999999999999").unwrap();
    metrics.declare_account(&gone);
    metrics.set_findings(&gone, &[PASSWORDS], &[] as &[Finding]);
    metrics.set_last_success(&PASSWORDS, &gone, "2026-11-23T06:00:00Z".parse().unwrap());
    metrics.set_lease_held(&gone, false);
    metrics.retain_accounts(&BTreeSet::from([account()]));
    assert_eq!(text(&metrics), here);
}

#[test]
fn what_happens_is_counted() {
    let metrics = Metrics::new([PASSWORDS], &[]);
    metrics.action_ended(ChangeKind::DetachPolicy, ActionOutcome::Stale);
    metrics.aws_call_ended("iam:GetUser", CallResult::Throttled);
    metrics.aws_call_ended("iam:GetUser", CallResult::Ok);
    metrics.run_ended(RunResult::Completed, Duration::from_millis(2500));
    metrics.set_last_success(&PASSWORDS, &account(), "2026-11-23T06:00:00Z".parse().unwrap());
    metrics.schedule_skipped(&PASSWORDS);
    metrics.config_reloaded(ReloadResult::Refused);
    metrics.set_call_rate(&account(), 20.1);
    metrics.set_outbox_depth(OutboxState::Dead, 3);
    metrics.set_frozen(true);
    metrics.set_lease_held(&account(), true);
    let text = text(&metrics);
    let happened: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.ends_with(" 0"))
        .collect();
    insta::assert_snapshot!(happened.join("\n"), @r#"
    iamwarden_build_info{version="0.1.0"} 1
    iamwarden_actions_total{kind="detach_policy",outcome="stale"} 1
    iamwarden_aws_calls_total{operation="iam:GetUser",result="ok"} 1
    iamwarden_aws_calls_total{operation="iam:GetUser",result="throttled"} 1
    iamwarden_aws_throttles_total 1
    iamwarden_aws_call_rate{account="123456789012"} 20.1
    iamwarden_runs_total{result="completed"} 1
    iamwarden_run_duration_seconds_sum 2.5
    iamwarden_run_duration_seconds_count 1
    iamwarden_run_duration_seconds_bucket{le="2.5"} 1
    iamwarden_run_duration_seconds_bucket{le="5.0"} 1
    iamwarden_run_duration_seconds_bucket{le="10.0"} 1
    iamwarden_run_duration_seconds_bucket{le="30.0"} 1
    iamwarden_run_duration_seconds_bucket{le="60.0"} 1
    iamwarden_run_duration_seconds_bucket{le="120.0"} 1
    iamwarden_run_duration_seconds_bucket{le="300.0"} 1
    iamwarden_run_duration_seconds_bucket{le="600.0"} 1
    iamwarden_run_duration_seconds_bucket{le="1800.0"} 1
    iamwarden_run_duration_seconds_bucket{le="3600.0"} 1
    iamwarden_run_duration_seconds_bucket{le="+Inf"} 1
    iamwarden_last_success_timestamp_seconds{rule="password_policy",account="123456789012"} 1795413600
    iamwarden_schedule_skips_total{rule="password_policy"} 1
    iamwarden_config_reloads_total{result="refused"} 1
    iamwarden_outbox_depth{state="dead"} 3
    iamwarden_frozen 1
    iamwarden_lease_held{account="123456789012"} 1
    "#);
}
