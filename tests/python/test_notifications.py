"""Who is told what, in which form, and when that counts as notice."""

from __future__ import annotations

import datetime
import re

import pytest
from standardwebhooks import WebhookVerificationError

from moto_account import ACCOUNT
from receiver import LOCAL, Answer
from warden import ENFORCE_ROTATION, FREELY, SIGNING, only, until

ANNOUNCED = '[rules.access_key_rotation]\nmode = "enforce"\n'
OWNERS = """
[[notifications.owners]]
principals = ["user/ci-*"]
owner = "platform@example.com"
[[notifications.owners]]
match = "platform@*"
channel = "platform"
[[notifications.owners]]
match = "*@example.com"
channel = "people"
mention = "<@U012ABCDEF>"
"""


def declare(warden, *parts: str, rules: str = ANNOUNCED, default: str = "desk") -> None:
    heads = f'[notifications]\ndefault_channel = "{default}"\n{LOCAL}'
    warden.configure(FREELY, only("access_key_rotation"), rules, heads, *parts)


def old_key(account, name: str, age: float = 200, **tags: str):
    account.user(name, **tags)
    return account.key(name, age, used=1)


def only_action(plan: dict) -> dict:
    assert len(plan["actions"]) == 1, plan["actions"]
    return plan["actions"][0]


def date(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def in_days(days: float) -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)


def about(actual: datetime.datetime, expected: datetime.datetime) -> bool:
    return abs(actual - expected) < datetime.timedelta(minutes=5)


@pytest.mark.parametrize(
    ("user", "tags", "owner", "channel"),
    [
        ("ci-deploy", {"owner": "alice@example.com"}, "platform@example.com", "platform"),
        ("alice", {"email": "not-her@example.com", "owner": "alice@example.com"}, "alice@example.com", "people"),
        ("ben", {"Owner": "ben@example.com"}, "ben@example.com", "people"),
        ("cy", {"email": "cy@example.com", "team": "x"}, "cy@example.com", "people"),
        ("dot", {"owner": "dot@elsewhere.org"}, "dot@elsewhere.org", "desk"),
        ("eve", {}, "team@elsewhere.org", "desk"),
    ],
    ids=["map", "first tag", "second tag", "third tag", "owner without a channel", "the account's owner"],
)
def test_the_message_finds_its_owner(account, warden, receiver, user, tags, owner, channel):
    receivers = {name: receiver() for name in ("platform", "people", "desk")}
    old_key(account, user, **tags)
    channels = [warden.channel(name, each) for name, each in receivers.items()]
    accounts = f'[[accounts]]\nid = "{ACCOUNT}"\nname = "prod"\nowner = "team@elsewhere.org"\n'
    declare(warden, *channels, OWNERS, accounts)
    plan = warden.plan(code=0)
    assert [(told["to"], told["channel"], told["event"]) for told in plan["notifications"]] == [
        (owner, channel, "access_key.expiring")
    ]
    assert plan["findings"][0]["owner"] == owner
    warden.once(code=0)
    assert {name: len(each.posts) for name, each in receivers.items() if each.posts} == {channel: 1}
    post = receivers[channel].posts[0]
    assert post.data["owner"] == owner
    assert post.data["accounts"] == [{"id": ACCOUNT, "name": "prod"}]


def test_what_nobody_owns_goes_to_the_default_channel(account, warden, receiver):
    desk = receiver()
    old_key(account, "alice")
    declare(warden, warden.channel("desk", desk))
    warden.once(code=0)
    assert [(post.events, post.data["owner"]) for post in desk.posts] == [(["access_key.expiring"], None)]


def test_one_message_an_owner_and_run_and_none_twice(account, warden, receiver):
    people = receiver()
    for number in range(5):
        old_key(account, f"user-{number}", owner=f"owner-{number % 2}@example.com")
    declare(warden, warden.channel("people", people), OWNERS.replace("platform", "people"), default="")
    warden.once(code=0)
    named = {post.data["owner"]: sorted(f["resource"].split("/")[-1] for f in post.data["findings"]) for post in people.posts}
    assert len(people.posts) == 2
    assert named == {
        "owner-0@example.com": ["user-0", "user-2", "user-4"],
        "owner-1@example.com": ["user-1", "user-3"],
    }
    warden.once(code=0)
    assert len(people.posts) == 2, "nothing new is nothing said"


@pytest.mark.parametrize("kind", ["webhook", "slack", "teams"])
def test_a_long_message_is_split_at_the_limit_of_its_channel(account, warden, receiver, kind):
    desk = receiver(kind)
    keys = {old_key(account, f"user-with-a-rather-long-name-{number:02}").access_key_id for number in range(30)}
    declare(warden, warden.channel("desk", desk))
    warden.once(code=0)
    assert len(desk.posts) > 1
    assert len({post.id for post in desk.posts}) == len(desk.posts)
    limit = {"webhook": 20_000, "slack": 12_000, "teams": 28_000}[kind]
    for post in desk.posts:
        assert len(post.body) <= limit
        if kind == "slack":
            blocks = post.json["blocks"]
            assert len(blocks) <= 50
            assert all(len(block["text"]["text"]) <= 3000 for block in blocks if block["type"] == "section")
    for key in keys:
        assert len([post for post in desk.posts if key.encode() in post.body]) == 1, "named once, in one part"


def test_slack_gets_blocks(account, warden, receiver):
    people = receiver("slack")
    key = old_key(account, "alice", owner="alice@example.com")
    declare(warden, warden.channel("people", people), OWNERS.replace("platform", "people"), default="")
    action = only_action(warden.plan(code=0))
    warden.once(code=0)
    (post,) = people.posts
    assert post.path == f"/hooks/{people.token}"
    assert post.headers["content-type"] == "application/json"
    texts = [block["text"]["text"] for block in post.json["blocks"] if block["type"] == "section"]
    first, text = texts[0].splitlines()[0], "\n".join(texts)
    day = date(action["not_before"]).strftime("%-d %b %Y")
    assert first.startswith("<@U012ABCDEF> ")
    for word in (f"…{key.access_key_id[-4:]}", "alice", ACCOUNT, "will be disabled", day):
        assert word in first, "who, what and when stand in the first line"
    for word in ("90d", "Last use", "create-access-key", "exempt", action["id"], "rollback"):
        assert word in text
    assert key.access_key_id[-4:] in post.json["text"], "the preview says it too"


def test_teams_gets_a_card(account, warden, receiver):
    people = receiver("teams")
    key = old_key(account, "alice", owner="alice@example.com")
    declare(warden, warden.channel("people", people), OWNERS.replace("platform", "people"), default="")
    action = only_action(warden.plan(code=0))
    warden.once(code=0)
    (post,) = people.posts
    (attachment,) = post.json["attachments"]
    assert post.json["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment["content"]["type"] == "AdaptiveCard"
    card = str(attachment["content"]["body"])
    for word in (key.access_key_id[-4:], "alice", ACCOUNT, action["id"], "create-access-key"):
        assert word in card


def test_a_webhook_gets_json(account, warden, receiver):
    desk = receiver()
    key = old_key(account, "alice", owner="alice@example.com")
    declare(warden, warden.channel("desk", desk))
    plan = warden.plan(code=0)
    warden.once(code=0)
    (post,) = desk.posts
    assert set(post.json) == {"type", "timestamp", "data"}
    assert post.json["type"] == "access_key.expiring"
    assert about(date(post.json["timestamp"]), in_days(0))
    assert {"run", "account", "owner", "plan", "findings", "actions"} <= set(post.data)
    assert post.data["account"] == ACCOUNT
    assert [finding["id"] for finding in post.data["findings"]] == [finding["id"] for finding in plan["findings"]]
    (action,) = post.data["actions"]
    assert action["id"] == only_action(plan)["id"]
    assert action["parameters"] == {"access_key_id": key.access_key_id}
    (notice,) = post.data["notices"]
    assert notice["subject"] == key.access_key_id
    assert about(date(notice["announced_for"]), in_days(7))


@pytest.mark.parametrize("secret", [SIGNING, "CANARY signing secret as it is"], ids=["whsec", "raw"])
def test_a_webhook_is_signed_as_the_standard_has_it(account, warden, receiver, secret):
    desk = receiver()
    old_key(account, "alice")
    declare(warden, warden.channel("desk", desk, secret=warden.secret("SIGN", secret)))
    warden.once(code=0)
    (post,) = desk.posts
    known = secret if secret.startswith("whsec_") else secret.encode()
    assert post.verified(known) == post.json
    assert re.match(r"^msg_[0-9A-Z]{26}$", post.id)
    post.body = post.body.replace(b"expiring", b"expired!")
    with pytest.raises(WebhookVerificationError):
        post.verified(known)


def test_every_try_has_the_same_id_and_a_signature_of_its_own(account, warden, receiver):
    desk = receiver()
    desk.answer = Answer(503)
    old_key(account, "alice")
    declare(warden, warden.channel("desk", desk))
    warden.once(code=0)
    for _ in range(2):
        warden.let_retries_be_due()
        warden.once(code=0)
    desk.accept()
    warden.let_retries_be_due()
    warden.once(code=0)
    assert len(desk.posts) == 4
    assert len({post.id for post in desk.posts}) == 1
    assert len({post.body for post in desk.posts}) == 1
    for post in desk.posts:
        post.verified(SIGNING)
    warden.let_retries_be_due()
    warden.once(code=0)
    assert len(desk.posts) == 4, "what was accepted is not sent again"


@pytest.mark.parametrize("kind", ["webhook", "slack", "teams"])
def test_the_words_of_others_stay_words(account, warden, receiver, kind):
    """Whoever can tag a user cannot wake a channel with it, nor turn its text around."""
    desk = receiver(kind)
    old_key(account, "alice", owner="<!channel> @everyone `x` \u202e*bold* <https://evil.example|click>")
    declare(warden, warden.channel("desk", desk))
    warden.once(code=0)
    (post,) = desk.posts
    if kind == "slack":
        texts = str(post.json)
        for markup in ("<!", "<http", "\u202e"):
            assert markup not in texts
        assert "&lt;!channel&gt;" in texts
    if kind == "teams":
        assert not post.json["attachments"][0]["content"]["msteams"]["entities"]
        assert "\u202e" not in str(post.json)


def test_a_notice_counts_from_the_time_it_was_accepted(account, warden, receiver):
    desk = receiver()
    key = old_key(account, "alice", owner="alice@example.com")
    declare(warden, warden.channel("desk", desk))
    warden.once(code=0)
    action = only_action(warden.plan(code=0))
    assert (action["state"], action["withheld_reason"]) == ("withheld", "notice")
    assert about(date(action["not_before"]), in_days(7))
    warden.let_days_pass(6.9)
    warden.once(code=0)
    assert account.writes() == [], "not yet"
    warden.let_days_pass(0.2)
    warden.once(code=0)
    assert key.status == "Inactive"
    assert len(account.writes()) == 1
    done = desk.told("access_key.disabled")
    assert len(done) == 1
    assert action["id"] in str(done[0].json)
    warnings = [notice["announced_for"] for post in desk.told("access_key.expiring") for notice in post.data["notices"]]
    assert len(set(warnings)) == len(warnings), "no rung of the ladder twice"


def test_without_notice_nothing_is_announced_and_the_result_is(account, warden, receiver):
    desk = receiver()
    old_key(account, "alice")
    declare(warden, warden.channel("desk", desk), rules=ENFORCE_ROTATION)
    warden.once(code=0)
    assert len(account.writes()) == 1
    assert [post.events for post in desk.posts] == [["access_key.disabled"]]


def test_apply_tells_results_and_no_warnings(account, warden, receiver):
    desk = receiver()
    old_key(account, "alice")
    declare(warden, warden.channel("desk", desk))
    warden.apply(code=0)
    warden.plan(code=0)
    warden.plan("--save", code=0)
    assert desk.posts == []
    declare(warden, warden.channel("desk", desk), rules=ENFORCE_ROTATION)
    warden.apply(code=0)
    assert [post.events for post in desk.posts] == [["access_key.disabled"]]


def test_without_a_channel_nothing_is_disabled(account, warden):
    old_key(account, "alice", owner="alice@example.com")
    warden.configure(FREELY, only("access_key_rotation"), ANNOUNCED)
    action = only_action(warden.plan(code=0))
    assert (action["state"], action["withheld_reason"]) == ("withheld", "no_channel")
    for command in (warden.once, warden.apply):
        command(code=0)
    assert account.writes() == []
    warden.configure(FREELY, only("access_key_rotation"), ENFORCE_ROTATION)
    warden.once(code=0)
    assert len(account.writes()) == 1, "without notice, no channel is needed"


def test_a_channel_for_others_is_none_for_this_owner(account, warden, receiver):
    people = receiver()
    old_key(account, "alice", owner="alice@elsewhere.org")
    declare(warden, warden.channel("people", people), OWNERS.replace("platform", "people"), default="")
    assert only_action(warden.plan(code=0))["withheld_reason"] == "no_channel"
    warden.once(code=0)
    assert people.posts == []


def test_a_digest_in_report_is_no_notice(account, warden, receiver):
    desk = receiver()
    old_key(account, "alice", owner="alice@example.com")
    declare(warden, warden.channel("desk", desk), rules='[rules.access_key_rotation]\nmode = "report"\n')
    warden.once(code=0)
    assert [(post.events, post.data["owner"]) for post in desk.posts] == [(["report.digest"], None)]
    warden.let_days_pass(30)
    declare(warden, warden.channel("desk", desk))
    assert only_action(warden.plan(code=0))["withheld_reason"] == "notice"
    warden.once(code=0)
    assert account.writes() == []
    assert len(desk.told("access_key.expiring")) == 1


def test_a_copy_for_others_is_no_notice(account, warden, receiver):
    people, siem = receiver(), receiver()
    people.answer = Answer(500)
    old_key(account, "alice", owner="alice@example.com")
    channels = warden.channel("people", people), warden.channel("siem", siem, events=["access_key.expiring"])
    declare(warden, *channels, OWNERS.replace("platform", "people"), default="")
    warden.once(code=0)
    assert [(post.events, post.data["copy"]) for post in siem.posts] == [(["access_key.expiring"], True)]
    warden.let_days_pass(30)
    warden.once(code=0)
    assert account.writes() == []
    assert only_action(warden.plan(code=0))["withheld_reason"] == "notice"


def test_a_key_enabled_again_needs_a_new_notice(account, warden, receiver):
    desk = receiver()
    key = old_key(account, "alice", owner="alice@example.com")
    rules = '[rules.access_key_rotation]\nmode = "enforce"\nwarn_before = []\nminimum_notice = "2s"\n'
    declare(warden, warden.channel("desk", desk), rules=rules)
    for told in (1, 2):
        warden.once(code=0)
        assert key.status == "Active"
        assert only_action(warden.plan())["withheld_reason"] == "notice"
        assert len(desk.told("access_key.expiring")) == told
        until(lambda: only_action(warden.plan())["state"] == "proposed", "two seconds have passed")
        warden.once(code=0)
        assert key.status == "Inactive"
        assert len(account.writes()) == told
        key.status = "Active"


def test_a_dry_run_sends_owners_nothing(account, warden, receiver):
    people, desk = receiver(), receiver()
    old_key(account, "alice", owner="alice@example.com")
    channels = warden.channel("people", people), warden.channel("desk", desk)
    declare(warden, *channels, OWNERS.replace("platform", "people"))
    warden.run("run", "--once", "--dry-run", code=0)
    assert people.posts == []
    assert desk.told("access_key.expiring") == []
    warden.once(code=0)
    assert len(people.posts) == 1, "and it counts as nothing: the owner is told afterwards"


def test_secrets_of_channels_are_read_from_where_they_are(account, warden, receiver):
    by_file, by_manager = receiver(), receiver("slack")
    for name in ("alice", "ben"):
        old_key(account, name, owner=f"{name}@example.com")
    for each in (by_file, by_manager):
        warden.canaries |= {each.token, each.url}
    place = warden.config.parent / "urls" / "by-file"
    place.parent.mkdir()
    place.write_text(by_file.url + "\n")
    account.secret("iamwarden/slack", f'{{"url": "{by_manager.url}"}}')
    declare(
        warden,
        f'[[notifications.channels]]\nname = "by-file"\nkind = "webhook"\nurl = "file:{place}"\n'
        f'secret = "{warden.secret("SIGN", SIGNING)}"\n'
        '[[notifications.channels]]\nname = "by-manager"\nkind = "slack"\nurl = "secretsmanager:iamwarden/slack#url"\n'
        '[[notifications.owners]]\nmatch = "alice@*"\nchannel = "by-file"\n'
        '[[notifications.owners]]\nmatch = "ben@*"\nchannel = "by-manager"\n',
        default="",
    )
    warden.once(code=0)
    assert (len(by_file.posts), len(by_manager.posts)) == (1, 1)
    assert account.calls["GetSecretValue"] == 1


def test_a_secret_that_is_not_there_is_a_failed_try(account, warden, receiver):
    old_key(account, "alice")
    declare(warden, '[[notifications.channels]]\nname = "desk"\nkind = "slack"\nurl = "env:NOT_THERE"\n')
    ended = warden.once(code=0)
    assert "env:NOT_THERE" in ended.err
    warden.let_days_pass(30)
    warden.once(code=0)
    assert account.writes() == []


@pytest.mark.parametrize("level", ["info", "trace"])
def test_nothing_that_is_printed_holds_a_secret(account, warden, receiver, level):
    """Every answer there is, at the most talkative: the canaries are looked for when the test ends."""
    desk, lying = receiver("slack"), receiver()
    lying.answer = lambda handler: Answer(500, f"no hook {handler.path} at {lying.url}, {SIGNING}?")(handler)
    for name in ("alice", "ben"):
        old_key(account, name, owner=f"{name}@example.com")
    channels = warden.channel("desk", desk), warden.channel("lying", lying, events=["*"])
    declare(warden, *channels)
    talkative = {"RUST_LOG": level}
    for arguments in (
        ["plan", "--format", "text"],
        ["plan", "--format", "html", "--output", str(warden.folder / "plan.html")],
        ["plan", "--format", "markdown", "--save"],
        ["run", "--once"],
        ["explain", "user/alice"],
        ["snapshot", "--output", str(warden.folder / "snapshot.json")],
        ["doctor"],
        ["doctor", "--send"],
        ["history"],
        ["history", "--verify"],
        ["permissions"],
        ["schema"],
        ["validate"],
    ):
        warden.run("--log-level", level, *arguments, **talkative)
    with warden.daemon("--log-level", level) as daemon:
        for path in ("/healthz", "/readyz", "/metrics"):
            daemon.get(path)
    assert lying.posts and desk.posts
    assert warden.state.exists()
