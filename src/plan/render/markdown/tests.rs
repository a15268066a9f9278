use proptest::prelude::*;

use super::*;
use crate::plan::render::sample;

#[test]
fn the_whole_sample() {
    insta::assert_snapshot!(markdown(&sample::plan()), @r#"
    ## iamwarden plan: 2 changes due now, 11 held back, 3 findings unknown

    `01KADZ8Q4R6V2X9M3N7P5S1T0Z` made 2026-11-23 06:00 UTC; it changed nothing; configuration `b7d64a922100`.

    | | | |
    | --- | --- | --- |
    | **due now** | 2 changes | detach policy 1, disable access key 1 |
    | **held back** | 11 changes | approval 1, freeze 1, guardrail 1, no&#95;channel 1, notice 1, recently&#95;used 1, rolled&#95;back 1, settling 1, unconfirmed 1, window 1, would&#95;lock&#95;out 1 |
    | **report only** | 1 violation | found, and left alone: the rule only reports them |
    | **warning** | 1 finding | not broken yet, or worth a look |
    | **unknown** | 3 findings | 3 readings failed, 1 account read in part |
    | **exempt** | 2 findings | exemptions: 1 active, 1 expiring, 1 EXPIRED |
    | **messages** | 6 | to 4 receivers; 1 without a channel, so not sent |
    | AWS calls | 24 | to read 2 accounts |

    **Next**

    - Make the 2 changes that are due now &#40;it asks first&#41;
      ```sh
      iamwarden apply
      ```
    - Approve the 1 change waiting for it, if the plan was saved &#40;else `iamwarden plan --save` first&#41;
      ```sh
      iamwarden approve 01KADZ8Q4R6V2X9M3N7P5S1T0Z \
            --action act_5dd6ebb55cd2f23988e98a1a
      ```
    - Only if it should happen after all: approve again what was rolled back &#40;1 change&#41;
      ```sh
      iamwarden approve 01KADZ8Q4R6V2X9M3N7P5S1T0Z \
            --action act_cb47d08fbd5aa2257887a9b1
      ```
    - Let changes happen again, where they were frozen by flag &#40;else `freeze` in the configuration&#41;
      ```sh
      iamwarden unfreeze
      ```
    - Declare a channel for the owners of 1 change, or `notifications.default_channel`: until then nobody can be told
    - See as changes what is only reported &#40;1 violation&#41;
      ```sh
      iamwarden plan --as-if enforce
      ```
    - Find out why something could not be read: nothing is done where something is unknown
      ```sh
      iamwarden doctor
      ```
    - Renew or remove 1 expired exemption in the configuration: past the last day they protect nobody

    <details open><summary><b>Due now</b> (2)</summary>

    |  | where | change | consent |
    | --- | --- | --- | --- |
    | ▲ high | `prod`<br>`user/alice` | Access key AKIA0001IOSFODNNEXMP is 112 days old<br>disable access key `AKIA0001IOSFODNNEXMP`: Active → **Inactive**<br>`act_52882a3463e2378802f38254` | enforce |
    | ● medium | `prod`<br>`group/analysts` | ReadAndWriteEveryQueueThatThereIs grants only what nobody uses<br>detach policy `arn:aws:iam::123456789012:policy/department/analytics/quarterly-reports/ReadAndWriteEveryQueueThatThereIs`: attached → **detached**<br>`act_76cda961b032774d4113ae1c` | approve |

    </details>

    <details><summary><b>Held back</b> (11)</summary>

    |  | where | change | why |
    | --- | --- | --- | --- |
    | ■ critical | `prod`<br>`user/dave` | Access key AKIA0005IOSFODNNEXMP has been disabled for 31 days<br>delete access key `AKIA0005IOSFODNNEXMP`: Inactive → **deleted**<br>`act_5762e611fa1d84fe7ce1c19c` | `guardrail` it is over the guardrails' cap: 25 of 25 changes of this run are taken; mode enforce, **cannot be undone** |
    | ▲ high | `prod`<br>`user/engineering/bob` | Access key AKIA0002IOSFODNNEXMP is 91 days old<br>disable access key `AKIA0002IOSFODNNEXMP`: Active → **Inactive**<br>`act_1d56996a7d5920a9eb86b10b` | `notice` its owner has not been told long enough ago; not before 2026-11-30 06:00 UTC, in 7 days; mode enforce |
    | ■ critical | `prod`<br>`role/analytics/quarterly/reporting` | AdministratorAccess grants only what nobody uses<br>detach policy `arn:aws:iam::aws:policy/AdministratorAccess`: attached → **detached**<br>`act_aac5309da8ddfb19814e37c6` | `unconfirmed` it has not been seen unused for long enough; not before 2026-11-26 06:00 UTC, in 3 days; mode enforce |
    | ▲ high | `prod`<br>`the account` | The password policy is weaker than declared<br>update password policy:<br>`minimum_length` 8 → **14**<br>`require_uppercase` false → **true**<br>`require_numbers` false → **true**<br>`require_symbols` false → **true**<br>`reuse_prevention` 5 → **24**<br>`act_5dd6ebb55cd2f23988e98a1a` | `approval` it waits for approval; mode approve |
    | ● medium | `prod`<br>`user/busy` | Access key AKIA0008IOSFODNNEXMP has not been used for 60 days<br>disable access key `AKIA0008IOSFODNNEXMP`: Active → **Inactive**<br>`act_6300ab617ae4e1dfec0d44e2` | `recently_used` the key was used recently; mode enforce |
    | ● medium | `prod`<br>`user/frozen` | Access key AKIA0006IOSFODNNEXMP has not been used for 60 days<br>disable access key `AKIA0006IOSFODNNEXMP`: Active → **Inactive**<br>`act_cdd67da6458277e0a34dc4ee` | `freeze` changes are frozen; mode enforce |
    | ● medium | `prod`<br>`user/night-shift` | Access key AKIA0007IOSFODNNEXMP has not been used for 60 days<br>disable access key `AKIA0007IOSFODNNEXMP`: Active → **Inactive**<br>`act_29e1f42291c22f9935b49a91` | `window` the change window is closed; mode enforce |
    | ▲ high | `sandbox`<br>`the account` | The account has no password policy of its own<br>update password policy:<br>`minimum_length` 8 → **14**<br>`require_uppercase` false → **true**<br>`require_lowercase` false → **true**<br>`require_numbers` false → **true**<br>`require_symbols` false → **true**<br>`allow_users_to_change` false → **true**<br>`max_age` none → **90d**<br>`reuse_prevention` none → **24**<br>(the account has no policy of its own: AWS's built-in one holds, which also asks for three of the four character classes)<br>`act_4f06ecf8b65321fe495d206d` | `would_lock_out` people with older passwords would be locked out: 4 users have a password older than 90 days; mode enforce |
    | ● medium | `sandbox`<br>`user/grace` | Access key AKIA0010IOSFODNNEXMP is 100 days old<br>disable access key `AKIA0010IOSFODNNEXMP`: Active → **Inactive**<br>`act_cb47d08fbd5aa2257887a9b1` | `rolled_back` it was rolled back; a person has to approve it again; mode enforce |
    | ● medium | `sandbox`<br>`user/heidi` | Access key AKIA0011IOSFODNNEXMP is 100 days old<br>disable access key `AKIA0011IOSFODNNEXMP`: Active → **Inactive**<br>`act_e72dc3ea7ba82cbb45ed03c5` | `settling` an earlier attempt is being settled by reading AWS; mode enforce |
    | ● medium | `sandbox`<br><code>user/&lt;script&gt;alert&#40;1&#41;&lt;/script&gt;&#124;&#96;@&#8203;everyone&#92;u&#123;202e&#125;</code> | Access key AKIA0009IOSFODNNEXMP was never used<br>disable access key `AKIA0009IOSFODNNEXMP`: Active → **Inactive**<br>`act_7acc4235888f911b1de8f8e1` | `no_channel` no channel reaches its owner; mode enforce |

    </details>

    <details><summary><b>Report only</b> (1)</summary>

    |  | where | what | owner |
    | --- | --- | --- | --- |
    | ● medium | `prod`<br>`role/service-role/nightly-backup` | AdministratorAccess grants only what nobody uses<br>Roles of services run rarely: this is only reported.<br>would detach policy `arn:aws:iam::aws:policy/AdministratorAccess`: attached → **detached**<br>`unused_permissions` | `platform@example.com` |

    </details>

    <details><summary><b>Warnings</b> (1)</summary>

    |  | where | what | owner |
    | --- | --- | --- | --- |
    | ○ low | `prod`<br>`user/carol` | Access key AKIA0003IOSFODNNEXMP reaches its limit in 6 days<br>It will be 90 days old on 2026-11-29.<br>`access_key_rotation` | `carol@example.com` |

    </details>

    <details><summary><b>Unknown</b> (6)</summary>

    | account | what | why | of |
    | --- | --- | --- | --- |
    | `sandbox` | `iam:GetAccessKeyLastUsed` | throttled: AWS asked to slow down 6 times | `user/eve`, `user/frank` |
    | `sandbox` | `iam:GetCredentialReport` | denied: AccessDenied: not authorized to perform it | the account |
    | `sandbox` | `unused_access_keys` | iam:GetAccessKeyLastUsed was throttled. | `user/eve`, `user/frank` |
    | `sandbox` | `unused_permissions` | The Access Advisor report does not list batch, which the policy grants. | `role/batch` |

    </details>

    <details><summary><b>Left alone on purpose</b> (2)</summary>

    | account | rule | why | of |
    | --- | --- | --- | --- |
    | `prod` | `access_key_rotation` | Exempt until 2026-11-30, that day included: vendor integration, SEC-123. | `user/ci-deploy` |
    | `sandbox` | `unused_access_keys` | Protected by &#96;user/break-glass-&#42;&#96;. | `user/break-glass-1` |

    </details>

    <details><summary><b>Who will be told</b> (6)</summary>

    | to | channel | event | about |
    | --- | --- | --- | --- |
    | nobody owns it | **none: nothing is sent** | `access_key.expiring` | <code>user/&lt;script&gt;alert&#40;1&#41;&lt;/script&gt;&#124;&#96;@&#8203;everyone&#92;u&#123;202e&#125;</code> |
    | nobody owns it | `secops` | `approval.requested` | `the account` |
    | nobody owns it | `secops` | `exemption.expiring` | `user/ci-deploy` |
    | `bob@example.com` | `secops` | `access_key.expiring` | `user/engineering/bob` `AKIA0002IOSFODNNEXMP`: 2026-11-30 06:00 UTC, in 7 days |
    | `carol@example.com` | `secops` | `access_key.expiring` | `user/carol` `AKIA0003IOSFODNNEXMP`: 2026-11-30 06:00 UTC, in 7 days |
    | `data@example.com` | `secops` | `permissions.unused` | `role/analytics/quarterly/reporting` |

    </details>

    <details><summary><b>Exemptions</b> (3)</summary>

    |  | principals | rules | last day | reason |
    | --- | --- | --- | --- | --- |
    | **EXPIRED**: no effect | `user/old-vendor-*` | `access_key_rotation` | 2026-10-31, 23 days ago | vendor migration, SEC-98 |
    | expiring | `user/ci-*` | `access_key_rotation` | 2026-11-30, in 7 days | vendor integration, SEC-123 |
    | active | `role/partner-*` | `unused_permissions` | 2027-03-31, in 128 days | yearly audit, SEC-140 |

    </details>

    <details><summary><b>AWS calls</b> (5)</summary>

    | operation | calls |
    | --- | --- |
    | `iam:GenerateServiceLastAccessedDetails` | 9 |
    | `iam:GetAccountAuthorizationDetails` | 3 |
    | `iam:GetCredentialReport` | 2 |
    | `iam:ListAccessKeys` | 8 |
    | `sts:GetCallerIdentity` | 2 |

    </details>
    "#);
}

#[test]
fn a_plan_that_found_nothing() {
    insta::assert_snapshot!(markdown(&sample::empty()), @r#"
    ## iamwarden plan: Nothing to change

    `01KADZ8Q4R6V2X9M3N7P5S1T0Z` made 2026-11-23 06:00 UTC; it changed nothing; configuration `b7d64a922100`.

    | | | |
    | --- | --- | --- |
    | due now | 0 changes |  |
    | held back | 0 changes |  |
    | unknown | 0 findings | every reading succeeded |
    | exempt | 0 findings | no exemptions declared |
    | messages | 0 | nobody is told anything |
    | AWS calls | 1 | to read 1 account |

    **Next**

    - Nothing to do.

    <details><summary><b>AWS calls</b> (1)</summary>

    | operation | calls |
    | --- | --- |
    | `iam:GetAccountAuthorizationDetails` | 1 |

    </details>
    "#);
}

#[test]
fn names_are_only_names() {
    for (text, escaped) in [
        ("a|b", "a&#124;b"),
        ("@everyone", "@&#8203;everyone"),
        ("see #12", "see #&#8203;12"),
        ("https://evil.example", "https:&#8203;//evil.example"),
        ("WWW.evil.example", "WWW&#8203;.evil.example"),
        ("<img src=x>", "&lt;img src=x&gt;"),
        ("[a](b) ![c]", "&#91;a&#93;&#40;b&#41; &#33;&#91;c&#93;"),
        (
            "`x` *y* _z_ ~q~",
            "&#96;x&#96; &#42;y&#42; &#95;z&#95; &#126;q&#126;",
        ),
        ("$x$ &amp; \\", "<span>$</span>x<span>$</span> &amp;amp; &#92;"),
        ("one\ntwo\u{202e}", "one&#92;ntwo&#92;u&#123;202e&#125;"),
    ] {
        assert_eq!(prose(text), escaped);
    }
    assert_eq!(code("user/alice"), "`user/alice`");
    assert_eq!(code("alice@example.com"), "`alice@example.com`");
    assert_eq!(code("a|`b`"), "<code>a&#124;&#96;b&#96;</code>");
    assert_eq!(code("a\\"), "<code>a&#92;</code>");
    assert_eq!(code(""), "");
}

#[test]
fn a_comment_never_outgrows_github() {
    let plan = sample::large(3000);
    let comment = markdown(&plan);
    assert!(comment.len() <= 65_536, "{}", comment.len());
    let shown = plan
        .actions
        .iter()
        .filter(|action| comment.contains(action.id.as_str()))
        .count();
    assert!(shown > 100);
    assert!(comment.contains(&format!("**+{} more rows**", plan.actions.len() - shown)));
    assert!(comment.contains("(3000)"));
    let mut plan = sample::all_unknown();
    let one = plan.findings[0].clone();
    plan.findings = (0..4000)
        .map(|n| {
            let mut finding = one.clone();
            finding.resource = Arn::parse(&format!("arn:aws:iam::123456789012:user/u{n}")).unwrap();
            finding
        })
        .collect();
    let comment = markdown(&plan);
    assert!(comment.len() <= 65_536, "{}", comment.len());
    assert!(comment.contains("`user/u0`") && comment.contains("more rows**"));
}

#[test]
fn nothing_from_outside_stays_markup() {
    let comment = markdown(&sample::plan());
    let below = comment.split_once("**Next**").unwrap().1;
    for wrong in ["<script", "<b>@", "@everyone", "@mallory", "\u{202e}"] {
        assert!(!below.contains(wrong), "{wrong}");
    }
    let lines: Vec<&str> = comment.lines().collect();
    for table in lines.chunk_by(|a, b| a.starts_with('|') == b.starts_with('|')) {
        let bars = table[0].matches('|').count();
        assert!(
            table.iter().all(|row| row.matches('|').count() == bars),
            "{table:?}"
        );
    }
}

proptest! {
    #[test]
    fn a_cell_never_breaks_its_row(text in any::<String>()) {
        for cell in [prose(&text), code(&text)] {
            let bare = !cell.contains(['|', '\n', '\r', '\\']);
            prop_assert!(bare);
        }
        let words = prose(&text);
        let loose = words.contains(['`', '*', '_', '[', ']', '~']);
        prop_assert!(!loose);
        for (at, _) in words.match_indices(['@', '#']) {
            let entity = words[..at].ends_with('&') || words[at + 1..].starts_with("&#8203;");
            prop_assert!(entity);
        }
    }
}
