use super::*;
use crate::plan::render::sample;

const NARROW: TextStyle = TextStyle {
    width: 80,
    color: false,
};

#[test]
fn the_whole_sample() {
    insta::assert_snapshot!(text(&sample::plan(), &TextStyle::default()), @r#"
    iamwarden plan 01KADZ8Q4R6V2X9M3N7P5S1T0Z
    made 2026-11-23 06:00 UTC; it changed nothing; configuration b7d64a922100

      due now      2 changes      detach policy 1, disable access key 1
      held back    11 changes     approval 1, freeze 1, guardrail 1, no_channel 1, notice 1,
                                  recently_used 1, rolled_back 1, settling 1, unconfirmed 1, window 1,
                                  would_lock_out 1
      report only  1 violation    found, and left alone: the rule only reports them
      warning      1 finding      not broken yet, or worth a look
      unknown      3 findings     3 readings failed, 1 account read in part
      exempt       2 findings     exemptions: 1 active, 1 expiring, 1 EXPIRED
      messages     6              to 4 receivers; 1 without a channel, so not sent
      AWS calls    24             to read 2 accounts

    ────────────────────────────────────────────────────────────────────────────────────────────────────
    prod · 123456789012 · read whole: 500 users, 12 groups, 90 roles
    ────────────────────────────────────────────────────────────────────────────────────────────────────

    alice@example.com · 2 findings

      ▲ high      user/alice · access_key_rotation
                  Access key AKIA0001IOSFODNNEXMP is 112 days old
                  It was created on 2026-08-03 and has been past the limit of 90 days for 22 days. Its
                  owner was told on 2026-11-09.
                  change  disable access key AKIA0001IOSFODNNEXMP Active → Inactive
                  state   due now; mode enforce; can be undone
                  date    not before 2026-11-16 06:00 UTC, 7 days ago (passed)
                  also    answers unused_access_keys
                  id      act_52882a3463e2378802f38254

      ● medium    user/alice · unused_access_keys
                  Access key AKIA0001IOSFODNNEXMP has not been used for 94 days
                  The limit is 45 days.
                  change  answered by the change of access_key_rotation: act_52882a3463e2378802f38254

    bob@example.com · 2 findings

      ■ critical  user/dave · access_key_rotation
                  Access key AKIA0005IOSFODNNEXMP has been disabled for 31 days
                  Keys are deleted after 30 days.
                  change  delete access key AKIA0005IOSFODNNEXMP Inactive → deleted
                  state   held back (guardrail): it is over the guardrails' cap: 25 of 25 changes of
                          this run are taken; mode enforce; CANNOT BE UNDONE
                  id      act_5762e611fa1d84fe7ce1c19c

      ▲ high      user/engineering/bob · access_key_rotation
                  Access key AKIA0002IOSFODNNEXMP is 91 days old
                  It has been past the limit of 90 days for a day.
                  change  disable access key AKIA0002IOSFODNNEXMP Active → Inactive
                  state   held back (notice): its owner has not been told long enough ago; mode enforce;
                          can be undone
                  date    not before 2026-11-30 06:00 UTC, in 7 days
                  id      act_1d56996a7d5920a9eb86b10b

    carol@example.com · 1 finding

      ○ low       user/carol · access_key_rotation
                  Access key AKIA0003IOSFODNNEXMP reaches its limit in 6 days
                  It will be 90 days old on 2026-11-29.
                  state   warning: nothing to do yet

    data@example.com · 2 findings

      ■ critical  role/analytics/quarterly/reporting · unused_permissions
                  AdministratorAccess grants only what nobody uses
                  None of the services it reaches was used for 200 days.
                  change  detach policy arn:aws:iam::aws:policy/AdministratorAccess attached → detached
                  state   held back (unconfirmed): it has not been seen unused for long enough; mode
                          enforce; can be undone
                  date    not before 2026-11-26 06:00 UTC, in 3 days
                  id      act_aac5309da8ddfb19814e37c6

      ● medium    group/analysts · unused_permissions
                  ReadAndWriteEveryQueueThatThereIs grants only what nobody uses
                  Last use of sqs by any member: 2026-02-01.
                  change  detach policy
                          arn:aws:iam::123456789012:policy/department/analytics/quarterly-reports/
                          ReadAndWriteEveryQueueThatThereIs attached → detached
                  state   due now; mode approve; can be undone
                  id      act_76cda961b032774d4113ae1c

    platform@example.com · 5 findings

      ▲ high      the account · password_policy
                  The password policy is weaker than declared
                  Five fields are weaker than the declared policy.
                  change  update password policy
                          minimum_length         8 → 14
                          require_uppercase  false → true
                          require_numbers    false → true
                          require_symbols    false → true
                          reuse_prevention       5 → 24
                          stays: require_lowercase true, allow_users_to_change true, max_age none,
                          hard_expiry false
                  state   held back (approval): it waits for approval; mode approve; can be undone
                  id      act_5dd6ebb55cd2f23988e98a1a

      ● medium    role/service-role/nightly-backup · unused_permissions
                  AdministratorAccess grants only what nobody uses
                  Roles of services run rarely: this is only reported.
                  would   detach policy arn:aws:iam::aws:policy/AdministratorAccess attached → detached
                  state   report only: nothing will be done

      ● medium    user/busy · unused_access_keys
                  Access key AKIA0008IOSFODNNEXMP has not been used for 60 days
                  The limit is 45 days.
                  change  disable access key AKIA0008IOSFODNNEXMP Active → Inactive
                  state   held back (recently_used): the key was used recently; mode enforce; can be
                          undone
                  id      act_6300ab617ae4e1dfec0d44e2

      ● medium    user/frozen · unused_access_keys
                  Access key AKIA0006IOSFODNNEXMP has not been used for 60 days
                  The limit is 45 days.
                  change  disable access key AKIA0006IOSFODNNEXMP Active → Inactive
                  state   held back (freeze): changes are frozen; mode enforce; can be undone
                  id      act_cdd67da6458277e0a34dc4ee

      ● medium    user/night-shift · unused_access_keys
                  Access key AKIA0007IOSFODNNEXMP has not been used for 60 days
                  The limit is 45 days.
                  change  disable access key AKIA0007IOSFODNNEXMP Active → Inactive
                  state   held back (window): the change window is closed; mode enforce; can be undone
                  id      act_29e1f42291c22f9935b49a91

    left alone on purpose

      - exempt    user/ci-deploy · access_key_rotation
                  Access key AKIA0004IOSFODNNEXMP is 340 days old
                  Exempt until 2026-11-30, that day included: vendor integration, SEC-123.

    ────────────────────────────────────────────────────────────────────────────────────────────────────
    sandbox · 210987654321 · read in part: 23 users, 1 group, 7 roles
    ────────────────────────────────────────────────────────────────────────────────────────────────────

    platform@example.com · 3 findings

      ▲ high      the account · password_policy
                  The account has no password policy of its own
                  AWS's built-in policy is weaker than the declared one.
                  change  update password policy
                          minimum_length             8 → 14
                          require_uppercase      false → true
                          require_lowercase      false → true
                          require_numbers        false → true
                          require_symbols        false → true
                          allow_users_to_change  false → true
                          max_age                 none → 90d
                          reuse_prevention        none → 24
                          stays: hard_expiry false
                          the account has no policy of its own: AWS's built-in one holds, which also
                          asks for three of the four character classes
                  state   held back (would_lock_out): people with older passwords would be locked out: 4
                          users have a password older than 90 days; mode enforce; can be undone
                  id      act_4f06ecf8b65321fe495d206d

      ● medium    user/grace · access_key_rotation
                  Access key AKIA0010IOSFODNNEXMP is 100 days old
                  The limit is 90 days.
                  change  disable access key AKIA0010IOSFODNNEXMP Active → Inactive
                  state   held back (rolled_back): it was rolled back; a person has to approve it again;
                          mode enforce; can be undone
                  id      act_cb47d08fbd5aa2257887a9b1

      ● medium    user/heidi · access_key_rotation
                  Access key AKIA0011IOSFODNNEXMP is 100 days old
                  The limit is 90 days.
                  change  disable access key AKIA0011IOSFODNNEXMP Active → Inactive
                  state   held back (settling): an earlier attempt is being settled by reading AWS; mode
                          enforce; can be undone
                  id      act_e72dc3ea7ba82cbb45ed03c5

    nobody is known to own these · 1 finding

      ● medium    user/<script>alert(1)</script>|`@everyone\u{202e} · unused_access_keys
                  Access key AKIA0009IOSFODNNEXMP was never used
                  It was created 120 days ago by <b>@mallory</b>.
                  change  disable access key AKIA0009IOSFODNNEXMP Active → Inactive
                  state   held back (no_channel): no channel reaches its owner; mode enforce; can be
                          undone
                  id      act_7acc4235888f911b1de8f8e1

    unknown: nothing is done where something is unknown

      ? reading   iam:GetAccessKeyLastUsed throttled: AWS asked to slow down 6 times
                  2: user/eve, user/frank

      ? reading   iam:GetCredentialReport denied: AccessDenied: not authorized to perform it

      ? verdict   unused_access_keys
                  iam:GetAccessKeyLastUsed was throttled.
                  2: user/eve, user/frank

      ? verdict   role/batch · unused_permissions
                  Use of BatchAccess is unknown
                  The Access Advisor report does not list batch, which the policy grants.

    left alone on purpose

      - exempt    user/break-glass-1 · unused_access_keys
                  Access key AKIA0012IOSFODNNEXMP was never used
                  Protected by `user/break-glass-*`.

    ────────────────────────────────────────────────────────────────────────────────────────────────────
    who will be told
    ────────────────────────────────────────────────────────────────────────────────────────────────────

      no owner, NO CHANNEL: nothing is sent · access_key.expiring
        user/<script>alert(1)</script>|`@everyone\u{202e} (unused_access_keys)

      channel secops · approval.requested
        the account (password_policy)

      channel secops · exemption.expiring
        user/ci-deploy (access_key_rotation)

      bob@example.com by secops · access_key.expiring
        user/engineering/bob AKIA0002IOSFODNNEXMP: 2026-11-30 06:00 UTC, in 7 days

      carol@example.com by secops · access_key.expiring
        user/carol AKIA0003IOSFODNNEXMP: 2026-11-30 06:00 UTC, in 7 days

      data@example.com by secops · permissions.unused
        role/analytics/quarterly/reporting (unused_permissions)

    ────────────────────────────────────────────────────────────────────────────────────────────────────
    exemptions
    ────────────────────────────────────────────────────────────────────────────────────────────────────
      EXPIRED     user/old-vendor-* · access_key_rotation
                  last day 2026-10-31, 23 days ago: it has no effect any more; vendor migration, SEC-98
      expiring    user/ci-* · access_key_rotation
                  last day 2026-11-30, in 7 days; vendor integration, SEC-123
      active      role/partner-* · unused_permissions
                  last day 2027-03-31, in 128 days; yearly audit, SEC-140

    ────────────────────────────────────────────────────────────────────────────────────────────────────
    AWS calls: iam:GenerateServiceLastAccessedDetails 9, iam:GetAccountAuthorizationDetails 3,
    iam:GetCredentialReport 2, iam:ListAccessKeys 8, sts:GetCallerIdentity 2

    ────────────────────────────────────────────────────────────────────────────────────────────────────
    next
      Make the 2 changes that are due now (it asks first)
          iamwarden apply
      Approve the 1 change waiting for it, if the plan was saved (else `iamwarden plan --save` first)
          iamwarden approve 01KADZ8Q4R6V2X9M3N7P5S1T0Z \
              --action act_5dd6ebb55cd2f23988e98a1a
      Only if it should happen after all: approve again what was rolled back (1 change)
          iamwarden approve 01KADZ8Q4R6V2X9M3N7P5S1T0Z \
              --action act_cb47d08fbd5aa2257887a9b1
      Let changes happen again, where they were frozen by flag (else `freeze` in the configuration)
          iamwarden unfreeze
      Declare a channel for the owners of 1 change, or `notifications.default_channel`: until then
      nobody can be told
      See as changes what is only reported (1 violation)
          iamwarden plan --as-if enforce
      Find out why something could not be read: nothing is done where something is unknown
          iamwarden doctor
      Renew or remove 1 expired exemption in the configuration: past the last day they protect nobody
    "#);
}

#[test]
fn a_plan_that_found_nothing() {
    insta::assert_snapshot!(text(&sample::empty(), &NARROW), @r#"
    iamwarden plan 01KADZ8Q4R6V2X9M3N7P5S1T0Z
    made 2026-11-23 06:00 UTC; it changed nothing; configuration b7d64a922100

      due now      0 changes
      held back    0 changes
      unknown      0 findings     every reading succeeded
      exempt       0 findings     no exemptions declared
      messages     0              nobody is told anything
      AWS calls    1              to read 1 account

    ────────────────────────────────────────────────────────────────────────────────
    prod · 123456789012 · read whole: 500 users, 12 groups, 90 roles
    ────────────────────────────────────────────────────────────────────────────────
      nothing found

    ────────────────────────────────────────────────────────────────────────────────
    AWS calls: iam:GetAccountAuthorizationDetails 1

    ────────────────────────────────────────────────────────────────────────────────
    next
      Nothing to do.
    "#);
}

#[test]
fn a_plan_that_knows_nothing() {
    insta::assert_snapshot!(text(&sample::all_unknown(), &NARROW), @r#"
    iamwarden plan 01KADZ8Q4R6V2X9M3N7P5S1T0Z
    made 2026-11-23 06:00 UTC; it changed nothing; configuration b7d64a922100

      due now      0 changes
      held back    0 changes
      unknown      12 findings    1 reading failed, 1 account read in part
      exempt       0 findings     no exemptions declared
      messages     0              nobody is told anything
      AWS calls    1              to read 1 account

    ────────────────────────────────────────────────────────────────────────────────
    prod · 123456789012 · read in part: 500 users, 12 groups, 90 roles
    ────────────────────────────────────────────────────────────────────────────────

    unknown: nothing is done where something is unknown

      ? reading   iam:GetCredentialReport denied: the role may not call it

      ? verdict   access_key_rotation
                  The credential report could not be read (denied).
                  12: user/u001, user/u002, user/u003, user/u004, user/u005,
                  user/u006, user/u007, user/u008, user/u009, user/u010, user/u011,
                  user/u012

    ────────────────────────────────────────────────────────────────────────────────
    AWS calls: iam:GetAccountAuthorizationDetails 1

    ────────────────────────────────────────────────────────────────────────────────
    next
      Find out why something could not be read: nothing is done where something is
      unknown
          iamwarden doctor
    "#);
}

#[test]
fn thousands_of_findings_are_all_listed() {
    let plan = sample::large(3000);
    let set = text(&plan, &NARROW);
    for action in &plan.actions {
        assert!(set.contains(action.id.as_str()));
    }
    assert!(set.contains("3000 changes"));
}

#[test]
fn every_action_and_resource_is_there_and_fits_at_any_width() {
    let plan = sample::plan();
    for width in [80, 97, 120, 160] {
        let set = text(&plan, &TextStyle { width, color: false });
        for line in set.lines() {
            let columns = unicode_width::UnicodeWidthStr::width(line);
            assert!(
                columns <= usize::from(width),
                "{columns} columns at {width}: {line}"
            );
        }
        for action in &plan.actions {
            assert!(set.contains(action.id.as_str()), "{}", action.id);
            let reason = action
                .withheld_reason
                .map_or("due now", |reason| reason.explanation());
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words(&set).contains(reason), "{reason}");
        }
    }
}

#[test]
fn names_cannot_speak_to_the_terminal() {
    for color in [false, true] {
        let set = text(&sample::plan(), &TextStyle { width: 120, color });
        assert!(set.contains("user/<script>alert(1)</script>|`@everyone\\u{202e}"));
        assert!(!set.contains('\u{202e}'));
        assert_eq!(set.contains('\u{1b}'), color);
        let mut plain = set.clone();
        for ink in ["1", "2", "1;31", "33", "32", "35", "36", "0"] {
            plain = plain.replace(&format!("\u{1b}[{ink}m"), "");
        }
        assert!(plain.chars().all(|c| c == '\n' || !c.is_control()));
        assert_eq!(
            plain,
            text(
                &sample::plan(),
                &TextStyle {
                    width: 120,
                    color: false
                }
            )
        );
    }
}

#[test]
fn an_action_without_its_finding_is_still_shown() {
    let mut plan = sample::plan();
    let action = plan.actions[0].clone();
    plan.findings.retain(|finding| finding.id != action.finding);
    let set = text(&plan, &NARROW);
    assert!(set.contains("changes whose finding is not in this plan"));
    assert!(set.contains(action.id.as_str()));
}
