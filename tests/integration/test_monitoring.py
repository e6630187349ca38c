import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import strongroom
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from rooms import MadeRoom
from strongroom import Room, errors
from strongroom.client import figures
from strongroom.model import DataClass, Description, Key, KeyState, KeyVersion
from strongroom.observe import INSTRUMENTS, Kind
from strongroom.observe.opentelemetry import OpenTelemetryMeter
from strongroom.observe.prometheus import PrometheusMeter

ROOT = Path(__file__).parents[2]
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def value(meter: PrometheusMeter, name: str, **labels: str) -> float | None:
    return meter.registry.get_sample_value(name, labels)


def used(room: Room) -> None:
    room.decrypt(room.encrypt(b"12345"))
    room.keys.rotate(room.keys.list()[0].id, reason="test")
    with pytest.raises(errors.KeyNotFound):
        room.encrypt(b"", data_class="made-up")


def test_a_room_that_is_metered(room: MadeRoom) -> None:
    meter = PrometheusMeter()
    with strongroom.open(room.home, key_file=room.key_file, meter=meter) as opened:
        used(opened)
        meter.before_each(lambda: opened.measure(meter))
        text = meter.text()
    assert value(meter, "strongroom_data_keys_total", data_class="default", version="1", action="generate-dek") == 1
    assert value(meter, "strongroom_messages_total", data_class="default", version="1", outcome="closed") == 2
    assert value(meter, "strongroom_bytes_total", data_class="default", version="1", outcome="closed") > 5
    failed = {"data_class": "", "action": "generate-dek", "outcome": "class.not-found"}
    assert value(meter, "strongroom_failures_total", **failed) == 1
    assert 'strongroom_key_versions{data_class="default",state="ACTIVE"} 2.0' in text
    assert 'strongroom_cache{what="misses"} 2.0' in text


def test_what_all_processes_have_done_is_counted_from_the_trail(room: MadeRoom, tmp_path: Path) -> None:
    for _ in range(2):
        with strongroom.open(room.home, key_file=room.key_file) as opened:
            used(opened)
    meter = PrometheusMeter()
    with strongroom.open(room.home, key_file=room.key_file) as opened:
        opened.recount(meter)
        opened.measure(meter)
    assert value(meter, "strongroom_changes_total", event="key-rotated") == 2
    assert value(meter, "strongroom_leases_closed_total", data_class="default", version="1", outcome="closed") == 2
    meter.write(tmp_path / "room.prom")
    assert "strongroom_changes_total" in (tmp_path / "room.prom").read_text()


def test_opentelemetry_is_told_the_same(room: MadeRoom) -> None:
    reader = InMemoryMetricReader()
    meter = OpenTelemetryMeter(MeterProvider([reader]).get_meter("test"))
    with strongroom.open(room.home, key_file=room.key_file, meter=meter) as opened:
        used(opened)
        opened.measure(meter)
    scopes = [scope for resource in reader.get_metrics_data().resource_metrics for scope in resource.scope_metrics]
    names = {metric.name for scope in scopes for metric in scope.metrics}
    assert {"strongroom.data_keys", "strongroom.messages", "strongroom.audit_seconds", "strongroom.cache"} <= names


def test_days_to_rotation_and_expiry() -> None:
    version = KeyVersion(
        version=1,
        state=KeyState.ACTIVE,
        created=NOW,
        primary=True,
        active_until=None,
        root_version=1,
        activated=NOW - timedelta(days=3),
    )
    data_class = DataClass(name="pii", key_id="k", created=NOW, rotate_every=2 * 86_400, recipient_usage=10 * 86_400)
    key = Key(id="k", data_class="pii", scope=None, primary=1, versions=(version,), created=NOW)
    meter = PrometheusMeter()
    figures.measure(Description(classes=(data_class,), keys=(key,)), {}, NOW, meter)
    assert value(meter, "strongroom_rotation_days", data_class="pii") == -1
    assert value(meter, "strongroom_expiry_days", data_class="pii") == 7
    figures.measure(Description(classes=(DataClass(name="pii", key_id="k", created=NOW),), keys=(key,)), {}, NOW, meter)
    assert value(meter, "strongroom_rotation_days", data_class="pii") == float("inf")


def test_the_dashboard_asks_for_figures_that_there_are() -> None:
    dashboard = json.loads((ROOT / "docs/guides/dashboard.json").read_text())
    asked = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"strongroom_\w+", target["expr"])
    }
    ends = {Kind.COUNTER: "_total", Kind.GAUGE: "", Kind.HISTOGRAM: "_bucket"}
    assert asked == {instrument.name + ends[instrument.kind] for instrument in INSTRUMENTS}


def test_the_guide_names_every_figure() -> None:
    guide = (ROOT / "docs/guides/monitoring.md").read_text()
    assert [i.name for i in INSTRUMENTS if i.name not in guide] == []
