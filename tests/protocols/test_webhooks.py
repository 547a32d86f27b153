"""Webhooks over REST and every binding of A2A, to receivers on real sockets: in order, at least once, signed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from a2a.types import StreamResponse, a2a_pb2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from google.protobuf.json_format import ParseDict
from sametask.agents import Agent, Roster, TaskContext
from sametask.agents.events import Event
from sametask.agents.runtime import open_engine
from sametask.agents.runtime.embedded.engine import SqliteEngine
from sametask.agents.webhooks import Webhook as Hook
from sametask.protocols.a2a.server import serve as serve_a2a
from sametask.protocols.a2a.translate import to_updates
from sametask.protocols.rest.server import serve as serve_rest
from sametask.protocols.rest.webhooks import FORMATS
from sametask.protocols.variants import Bind
from sametask.protocols.webhook_delivery import Courier
from sametask.protocols.webhook_posting import retry_after_s
from sametask.protocols.webhook_settings import WebhookSettings
from sametask.protocols.webhook_targets import Targets
from standardwebhooks import Webhook, WebhookVerificationError

from . import a2a_raw
from .a2a_raw import BINDINGS, RawError, raw_of
from .webhook_receiver import NO_CONTENT, Receiver, answer, answering, receiving

LOOPBACK = WebhookSettings(Targets.of(["127.0.0.0/8"]), first_delay_s=0.0, attempt_timeout_s=20.0)
WAYS = ("REST", *BINDINGS)
SECRET = "whsec_" + "c2FtZXRhc2sgdGVzdCBzZWNyZXQsIDMyIGJ5dGVzISE="


def roster(gate: asyncio.Event) -> Roster:
    worker = Agent("worker", description="Tells some things, then waits for its gate.")

    @worker.skill
    async def work(count: int, task: TaskContext) -> int:
        for n in range(count):
            await task.progress(n, count, f"step {n}")
        await gate.wait()
        return count

    @worker.skill
    async def quick(count: int) -> int:
        return count

    return Roster([worker])


@dataclass
class Server:
    """One way to set a webhook, over a server of REST and A2A on one engine."""

    way: str
    engine: SqliteEngine
    gate: asyncio.Event
    http: httpx.AsyncClient
    raw: a2a_raw.Raw

    async def begin(self, count: int = 3) -> str:
        answered = await self.http.post("/agents/worker/skills/work", json={"count": count})
        return answered.json()["id"]

    async def hook(self, task_id: str, url: str, **more: Any) -> Any:
        """Set one that is signed with `SECRET`; what the server answered."""
        if self.way == "REST":
            return _ok(await self.http.post(f"/tasks/{task_id}/webhooks", json={"url": url, "secret": SECRET} | more))
        signed = a2a_pb2.AuthenticationInfo(scheme="StandardWebhooks", credentials=SECRET)
        config = a2a_pb2.TaskPushNotificationConfig(**{"task_id": task_id, "url": url, "authentication": signed} | more)
        return await self.raw.call("CreateTaskPushNotificationConfig", config)

    async def events(self, task_id: str) -> list[Event]:
        async with asyncio.timeout(30):
            return [event async for event in self.engine.events(task_id)]

    def expected(self, task_id: str, events: list[Event]) -> list[Any]:
        if self.way == "REST":
            return events
        return [update for event in events for update in to_updates(task_id, task_id, event)]

    def heard(self, receiver: Receiver) -> list[Any]:
        if self.way == "REST":
            return [Event.model_validate_json(received.body) for received in receiver.accepted]
        told = [ParseDict(received.json, StreamResponse()) for received in receiver.accepted]
        return [getattr(response, response.WhichOneof("payload")) for response in told]

    async def state(self, task_id: str) -> Any:
        (hook,) = await self.engine.webhooks.list(task_id)
        return hook

    async def until_failed(self, task_id: str, count: int = 1) -> Any:
        """The webhook, once that many attempts in a row have failed."""
        with self.engine.webhooks.news() as news:
            async with asyncio.timeout(30):
                while (hook := await self.state(task_id)).attempts < count:
                    news.clear()
                    await news.wait()
        return hook

    async def until_state(self, task_id: str, *states: str) -> Any:
        with self.engine.webhooks.news() as news:
            async with asyncio.timeout(30):
                while (hook := await self.state(task_id)).state not in states:
                    news.clear()
                    await news.wait()
        return hook


def _ok(response: httpx.Response) -> Any:
    assert response.is_success, response.text
    return response.json()


@asynccontextmanager
async def serving(way: str, settings: WebhookSettings = LOOPBACK, url: str = "sqlite:///:memory:") -> AsyncGenerator[Server]:
    gate, bind = asyncio.Event(), Bind(webhooks=settings)
    async with open_engine(url, roster(gate)) as engine, serve_rest(engine, bind) as rest, serve_a2a(engine, bind) as a2a:
        assert isinstance(engine, SqliteEngine)
        binding = "GRPC" if way == "REST" else way
        async with httpx.AsyncClient(base_url=rest.url, timeout=20) as http, raw_of(binding, a2a.listeners) as raw:
            yield Server(way, engine, gate, http, raw)


@pytest.fixture(params=WAYS)
async def server(request: pytest.FixtureRequest) -> AsyncGenerator[Server]:
    async with serving(request.param) as it:
        yield it


async def test_every_event_is_delivered_in_order_and_signed(server: Server):
    async with receiving() as receiver:
        task_id = await server.begin()
        await server.hook(task_id, receiver.url)
        await receiver.until(lambda it: len(it.accepted) >= 5)  # while it is running
        server.gate.set()
        events = await server.events(task_id)
        await server.until_state(task_id, "delivered")
        assert server.heard(receiver) == server.expected(task_id, events)
        assert len({received.id for received in receiver.all}) == len(receiver.all)
        for received in receiver.all:
            Webhook(SECRET).verify(received.body, received.headers)
            with pytest.raises(WebhookVerificationError):
                Webhook(SECRET).verify(received.body.replace(b"o", b"0"), received.headers)
            with pytest.raises(WebhookVerificationError):
                Webhook(SECRET).verify(received.body, received.headers | {"webhook-id": received.id + "1"})
        kind = "application/json" if server.way == "REST" else "application/a2a+json"
        assert {received.headers["content-type"] for received in receiver.all} == {kind}


@pytest.mark.parametrize("refusal", [answer(500), answer(404), answer(429), b"", b"nonsense\r\n\r\n"],
                         ids=["500", "404", "429", "closed", "no HTTP"])  # fmt: skip
async def test_what_was_not_accepted_is_sent_again_with_the_same_id_and_body(server: Server, refusal: bytes):
    # The third message tells a progress, in A2A by a message with an id of its own.
    async with receiving(decide=answering(NO_CONTENT, NO_CONTENT, refusal, refusal)) as receiver:
        server.gate.set()
        task_id = await server.begin()
        await server.events(task_id)
        await server.hook(task_id, receiver.url)
        await server.until_state(task_id, "delivered")
        assert server.heard(receiver) == server.expected(task_id, await server.events(task_id))
        again = receiver.all[2:5]
        assert {(received.id, received.body) for received in again} == {(again[0].id, again[0].body)}
        assert len(receiver.all) == len(receiver.accepted) + 2


async def test_a_receiver_that_never_answers_is_left_and_asked_again(server: Server):
    held = asyncio.Event()

    async def hold(_: Any) -> bytes:
        await held.wait()
        return b""

    async with receiving(decide=hold) as receiver, serving("REST", replace(LOOPBACK, attempt_timeout_s=0.05)) as other:
        task_id = await other.begin()
        await other.hook(task_id, receiver.url)
        await receiver.until(lambda it: len(it.all) >= 2)
        assert receiver.all[0].id == receiver.all[1].id
        assert "no answer within 0.05 s" in (await other.state(task_id)).last_error


async def test_a_receiver_that_was_down_for_the_whole_task_hears_everything_once_it_is_up(server: Server):
    async with receiving() as gone:
        port = gone.port
    server.gate.set()
    task_id = await server.begin()
    await server.hook(task_id, f"http://127.0.0.1:{port}/hook")
    events = await server.events(task_id)
    await server.until_failed(task_id)
    async with receiving(port) as receiver:
        await server.until_state(task_id, "delivered")
        assert server.heard(receiver) == server.expected(task_id, events)


async def test_a_stream_ends_while_the_receiver_still_holds_its_first_message(server: Server):
    held = asyncio.Event()

    async def hold(_: Any) -> bytes:
        await held.wait()
        return NO_CONTENT

    async with receiving(decide=hold) as receiver:
        task_id = await server.begin()
        await server.hook(task_id, receiver.url)
        await receiver.until(lambda it: len(it.all) == 1)
        server.gate.set()
        assert (await server.events(task_id))[-1].final
        assert (len(receiver.all), receiver.accepted) == (1, [])
        held.set()
        await server.until_state(task_id, "delivered")
        assert server.heard(receiver) == server.expected(task_id, await server.events(task_id))


async def test_a_redirect_is_not_followed(server: Server):
    async with receiving() as elsewhere, receiving() as receiver:
        receiver.decide = answering(*[answer(code, f"Location: {elsewhere.url}") for code in (301, 302, 307, 308)])
        task_id = await server.begin()
        server.gate.set()
        await server.hook(task_id, receiver.url)
        await server.until_state(task_id, "delivered")
        assert elsewhere.all == []
        assert server.heard(receiver) == server.expected(task_id, await server.events(task_id))
        assert len(receiver.all) == len(receiver.accepted) + 4


async def test_a_server_that_stops_ends_between_two_deliveries_and_the_next_one_goes_on(tmp_path: Path):
    url, hold, held = f"sqlite:///{tmp_path}/tasks.db", asyncio.Event(), asyncio.Event()

    async def answer_while_it_stops(received: Any) -> bytes:
        if len(receiver.all) == 3:
            held.set()
            await hold.wait()
        return NO_CONTENT

    async with receiving(decide=answer_while_it_stops) as receiver:
        async with serving("REST", LOOPBACK, url) as server:
            server.gate.set()
            task_id = await server.begin()
            events = await server.events(task_id)
        async with open_engine(url, roster(server.gate)) as engine:
            await engine.webhooks.set(Hook("h", task_id, receiver.url, "rest"))
            courier = Courier(engine.webhooks, FORMATS, LOOPBACK)
            running = asyncio.create_task(courier.run())
            await asyncio.wait_for(held.wait(), 30)
            courier.stop()
            hold.set()
            await asyncio.wait_for(running, 30)
            assert (await engine.webhooks.get(task_id, "h")).cursor == len(receiver.accepted) == 3
            async with serve_rest(engine, Bind(webhooks=LOOPBACK)):
                await receiver.until(lambda it: len(it.accepted) >= len(events))
            assert server.heard(receiver) == events
            assert len({received.id for received in receiver.all}) == len(receiver.all)


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, str]:
    """A server's TLS context for `name`, and the file of the authority that vouches for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "certificate.pem"
    pem.write_bytes(made.public_bytes(Encoding.PEM))
    secret = folder / "key.pem"
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem, secret)
    return context, str(pem)


@pytest.mark.parametrize(("name", "accepted"), [("hooks.example", True), ("other.example", False)])
async def test_tls_is_checked_against_the_name_though_an_address_is_connected_to(tmp_path: Path, name: str, accepted: bool):
    context, authority = certificate(tmp_path, "hooks.example")
    asked: list[str | None] = []
    context.sni_callback = lambda _socket, server_name, _context: asked.append(server_name)

    async def here(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    settings = replace(LOOPBACK, resolver=here, ca_file=authority, first_delay_s=3600.0)
    async with receiving(tls=context) as receiver, serving("REST", settings) as server:
        server.gate.set()
        task_id = await server.begin()
        await server.hook(task_id, f"https://{name}:{receiver.port}/hook")
        if accepted:
            await server.until_state(task_id, "delivered")
            assert {received.headers["host"] for received in receiver.all} == {f"{name}:{receiver.port}"}
        else:
            hook = await server.until_failed(task_id)
            assert "CERTIFICATE_VERIFY_FAILED" in hook.last_error
            assert receiver.all == []
        assert set(asked) == {name}


async def test_410_ends_it(server: Server):
    async with receiving(decide=answering(NO_CONTENT, answer(410))) as receiver:
        task_id = await server.begin()
        await server.hook(task_id, receiver.url)
        hook = await server.until_state(task_id, "gone")
        server.gate.set()
        await server.events(task_id)
        assert (hook.cursor, len(receiver.all)) == (1, 2)


async def test_a_name_that_is_rebound_to_loopback_is_not_connected_to_and_that_is_a_failed_attempt():
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["8.8.8.8"] if len(asked) == 1 else ["127.0.0.1"]

    settings = WebhookSettings(Targets(), resolver=rebinding)
    async with receiving() as receiver, serving("REST", settings) as server:
        task_id = await server.begin()
        await server.hook(task_id, f"https://rebound.example:{receiver.port}/hook")
        hook = await server.until_failed(task_id)
        assert (hook.attempts, hook.cursor, hook.last_error) == (1, 0, "refused: no address of rebound.example is allowed")
        assert receiver.all == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "https://10.0.0.1/", "https://[::1]/", "https://169.254.169.254/"])
async def test_a_target_that_is_not_allowed_is_refused_by_the_protocols_own_error(url: str):
    for way in WAYS:
        async with serving(way, WebhookSettings()) as server:
            task_id = await server.begin()
            if way == "REST":
                refused = await server.http.post(f"/tasks/{task_id}/webhooks", json={"url": url})
                assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
                assert refused.json()["details"]["field"] == "url"
            else:
                with pytest.raises(RawError) as caught:
                    await server.hook(task_id, url)
                assert (caught.value.ours, caught.value.details["field"]) == ("INVALID_INPUT", "url")
            assert await server.engine.webhooks.list(task_id) == []


async def test_secrets_are_told_once_and_the_configuration_is_deleted(server: Server):
    task_id = await server.begin()
    if server.way == "REST":
        path = f"/tasks/{task_id}/webhooks"
        made = _ok(await server.http.post(path, json={"url": "http://127.0.0.1:9/"}))
        assert made["secret"].startswith("whsec_")
        assert made["secret"] not in (await server.http.get(path)).text + (await server.http.get(f"{path}/{made['id']}")).text
        assert (await server.http.delete(f"{path}/{made['id']}")).status_code == 204
        assert (await server.http.get(f"{path}/{made['id']}")).json()["code"] == "unknown_webhook"
        return
    signed = a2a_pb2.AuthenticationInfo(scheme="StandardWebhooks")
    made = await server.hook(task_id, "http://127.0.0.1:9/", authentication=signed, token="hush", id="mine")
    assert made.authentication.credentials.startswith("whsec_")
    got = await server.raw.call(
        "GetTaskPushNotificationConfig", a2a_pb2.GetTaskPushNotificationConfigRequest(task_id=task_id, id="mine")
    )
    assert (got.id, got.task_id, got.url, got.token) == ("mine", task_id, "http://127.0.0.1:9/", "")
    assert (got.authentication.scheme, got.authentication.credentials) == ("StandardWebhooks", "")
    await server.raw.call(
        "DeleteTaskPushNotificationConfig", a2a_pb2.DeleteTaskPushNotificationConfigRequest(task_id=task_id, id="mine")
    )
    assert await server.engine.webhooks.list(task_id) == []
    with pytest.raises(RawError) as caught:
        await server.raw.call(
            "GetTaskPushNotificationConfig", a2a_pb2.GetTaskPushNotificationConfigRequest(task_id=task_id, id="mine")
        )
    assert (caught.value.theirs, caught.value.ours) == ("TASK_NOT_FOUND", "UNKNOWN_WEBHOOK")


@pytest.mark.parametrize("way", BINDINGS)
async def test_a_message_may_bring_its_configuration_whose_token_and_credentials_go_with_each_delivery(way: str):
    async with receiving() as receiver, serving(way) as server:
        server.gate.set()
        config = a2a_pb2.TaskPushNotificationConfig(
            url=receiver.url, token="tok", authentication=a2a_pb2.AuthenticationInfo(scheme="Bearer", credentials="abc")
        )
        message = a2a_pb2.Message(message_id="m", role=a2a_pb2.ROLE_USER, context_id="ours", parts=[a2a_pb2.Part()])
        ParseDict({"skill": "worker.work", "input": {"count": 2}}, message.parts[0].data.struct_value)
        request = a2a_pb2.SendMessageRequest(
            message=message, configuration=a2a_pb2.SendMessageConfiguration(task_push_notification_config=config)
        )
        task = (await server.raw.call("SendMessage", request)).task
        await server.until_state(task.id, "delivered")
        for received in receiver.all:
            assert received.headers["authorization"] == "Bearer abc"
            assert received.headers["a2a-notification-token"] == received.headers["x-a2a-notification-token"] == "tok"
            assert "webhook-signature" not in received.headers
            (update,) = received.json.values()
            assert (update["taskId"], update["contextId"]) == (task.id, "ours")
        config.url = "https://10.0.0.1/"
        request.configuration.task_push_notification_config.CopyFrom(config)
        before = len(await server.engine.list())
        with pytest.raises(RawError):
            await server.raw.call("SendMessage", request)
        assert len(await server.engine.list()) == before  # no task whose caller was told no


async def test_retry_after_is_honoured_and_it_is_given_up_after_the_stated_time():
    now = [1000.0]
    settings = replace(LOOPBACK, first_delay_s=2.0, give_up_s=100.0, clock=lambda: now[0], spread=lambda: 0.0)
    refusals = [answer(503, "Retry-After: 60"), answer(503)]
    async with receiving(decide=answering(*refusals, then=answer(503))) as receiver, serving("REST", settings) as server:
        task_id = await server.begin()
        await server.hook(task_id, receiver.url)

        assert (await server.until_failed(task_id, 1)).next_attempt_at == 1060.0
        now[0] = 1060.0
        await server.engine.submit(*_another(server))  # a commit: the worker looks at its clock again
        assert (await server.until_failed(task_id, 2)).next_attempt_at == 1064.0
        now[0] = 1101.0
        await server.engine.submit(*_another(server))
        assert (await server.until_failed(task_id, 3)).state == "failed"


def _another(server: Server) -> tuple[Any, Any]:
    skill = server.engine.roster.skill("worker", "work")
    return skill, skill.parse({"count": 0})


@pytest.mark.parametrize(
    ("failed", "asked", "spread", "delay"),
    [(1, None, 0.0, 1.0), (2, None, 0.0, 2.0), (5, None, 0.0, 16.0), (5, None, 1.0, 24.0), (99, None, 0.0, 600.0),
     (1, 30.0, 0.0, 30.0), (9, 1.0, 0.0, 256.0), (1, 1e12, 0.0, 259_200.0)],
)  # fmt: skip
def test_the_delay_doubles_is_spread_out_and_bounded(failed: int, asked: float | None, spread: float, delay: float):
    assert WebhookSettings(spread=lambda: spread).delay_s(failed, asked) == delay


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("30", 30.0), (" 0 ", 0.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 60.0), ("Wed, 21 Oct 2015 07:00:00 GMT", 0.0),
     ("soon", None), ("-1", None), ("1.5", None)],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None):
    assert retry_after_s(value, 1445412420.0) == seconds


@pytest.mark.parametrize("secret", ["", "abc", "whsec_", "whsec_AAAA", "whsec_!!!", "whsec_" + "A" * 400])
async def test_a_secret_that_is_none_is_refused_and_not_shown(secret: str):
    async with serving("REST") as server:
        task_id = await server.begin()
        answered = await server.http.post(f"/tasks/{task_id}/webhooks", json={"url": "http://127.0.0.1:9/", "secret": secret})
        assert (answered.status_code, answered.json()["details"]["field"]) == (422, "secret")
        assert len(secret) < 4 or secret not in answered.text.replace("whsec_ ", "")


@pytest.mark.parametrize("token", ["a\r\nX-Evil: 1", "ü", "x" * 5000, " padded "])
async def test_a_token_that_no_header_can_carry_is_refused(token: str):
    async with serving("JSONRPC") as server:
        with pytest.raises(RawError) as caught:
            await server.hook(await server.begin(), "http://127.0.0.1:9/", token=token)
        assert caught.value.details["field"] == "A2A-Notification-Token"


async def test_a_task_has_at_most_so_many():
    async with serving("REST") as server:
        task_id = await server.begin()
        for _ in range(16):
            await server.hook(task_id, "http://127.0.0.1:9/")
        refused = await server.http.post(f"/tasks/{task_id}/webhooks", json={"url": "http://127.0.0.1:9/"})
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


async def test_pages_of_configurations_follow_each_other(server: Server):
    if server.way == "REST":
        return
    task_id = await server.begin()
    for name in ("a", "b", "c"):
        await server.hook(task_id, "http://127.0.0.1:9/", id=name)
    asked = a2a_pb2.ListTaskPushNotificationConfigsRequest(task_id=task_id, page_size=2)
    first = await server.raw.call("ListTaskPushNotificationConfigs", asked)
    asked.page_token = first.next_page_token
    second = await server.raw.call("ListTaskPushNotificationConfigs", asked)
    assert [[c.id for c in page.configs] for page in (first, second)] == [["a", "b"], ["c"]]
    assert second.next_page_token == ""
