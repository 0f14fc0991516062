"""The pytest plugin, as a project that installed the package meets it."""

from __future__ import annotations

import alembic  # noqa: F401 - what a run inside this process imports is imported anew by the next one, unless it is here
import pytest

import planhat_orm.emulator
import planhat_orm.mirror  # noqa: F401

pytest_plugins = ["pytester"]

LIGHT = ("-p", "no:hypothesispytest", "-p", "no:cacheprovider", "-W", "error")
"""The other plugins here take longer to start than these tests do."""


def test_a_test_gets_a_running_emulator_and_a_client_of_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from planhat_orm import Company, License

        def test_reads_and_writes(planhat_emulator, planhat):
            company = Company.objects.get(external_id="acct-1001")
            company.phase = "At risk"
            company.save()
            assert planhat_emulator.log.count("PUT", "/companies") == 1
            assert planhat_emulator.store.table("company").get(company.id)["phase"] == "At risk"
            assert planhat.calls == planhat_emulator.calls

        def test_mirror(planhat):
            planhat.sync(Company, License)
            with planhat.offline():
                assert Company.objects.count() == 20
        """
    )
    pytester.runpytest_inprocess(*LIGHT).assert_outcomes(passed=2)


def test_each_test_has_an_emulator_and_a_mirror_of_its_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from planhat_orm import Company

        @pytest.mark.parametrize("number", [1, 2])
        def test_first_of_its_name(planhat, number):
            Company.objects.create(name="Acme", external_id="acme")
            assert Company.objects.count() == 21
            planhat.sync(Company)
        """
    )
    pytester.runpytest_inprocess(*LIGHT).assert_outcomes(passed=2)


def test_its_size_quota_and_seed_are_a_fixture(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def planhat_emulator_options():
            return {"companies": 3, "endusers": 7, "seed": 5}

        def test_size(planhat_emulator):
            assert len(planhat_emulator.store.table("company")) == 3
            assert len(planhat_emulator.store.table("enduser")) == 7
        """
    )
    pytester.runpytest_inprocess(*LIGHT).assert_outcomes(passed=1)


def test_code_that_makes_its_own_client_reaches_the_emulator(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"API_TOKEN": "real", "API_URL": "http://127.0.0.1:9", "MIRROR": "real.db"}.items():
        monkeypatch.setenv(f"PLANHAT_{name}", value)
    pytester.makepyfile(
        """
        from planhat_orm import Company, Planhat

        def nightly_job():
            with Planhat() as planhat:
                planhat.metrics.bulk_insert_metrics([{"dimensionId": "seats", "value": 1, "externalId": "acct-1001"}])
                return Company.objects.count(), planhat.settings.mirror

        def test_job(planhat_emulator):
            assert nightly_job() == (20, None)
        """
    )
    pytester.runpytest_inprocess(*LIGHT).assert_outcomes(passed=1)


def test_the_environment_of_the_developer_is_not_used(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"API_TOKEN": "real", "API_URL": "http://127.0.0.1:9", "CALLS_PER_MIN": "1"}.items():
        monkeypatch.setenv(f"PLANHAT_{name}", value)
    pytester.makepyfile(
        """
        def test_reaches_the_emulator(planhat, planhat_emulator):
            for _ in range(3):
                planhat.company.get_by_id("extid-acct-1001")
            assert planhat_emulator.calls == 3
        """
    )
    pytester.runpytest_inprocess(*LIGHT).assert_outcomes(passed=1)


def test_more_calls_than_a_quota_would_allow_do_not_wait(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_many(planhat):
            for _ in range(250):
                planhat.company.get_by_id("extid-acct-1001")
        """
    )
    result = pytester.runpytest_inprocess(*LIGHT)
    result.assert_outcomes(passed=1)
    assert result.duration < 30


def test_pytest_starts_without_what_the_fixtures_need(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_light():
            assert "planhat_pytest" in sys.modules
            assert not {"planhat_orm", "httpcore", "msgspec"} & sys.modules.keys()
        """
    )
    pytester.runpytest_subprocess(*LIGHT).assert_outcomes(passed=1)


def test_without_the_extra_only_tests_that_use_it_fail_and_say_what_to_install(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import sys\nsys.modules['starlette'] = None\n")
    pytester.makepyfile(
        """
        def test_other():
            pass

        def test_emulator(planhat_emulator):
            pass
        """
    )
    result = pytester.runpytest_subprocess(*LIGHT)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(['*pip install "planhat_orm[[]emulator]"*'])
