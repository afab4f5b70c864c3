from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest

from cgkit.errors import ResourceError, UsageError
from cgkit.report.page import write_page
from cgkit.report.report import write_report


def test_the_policy_allows_only_the_own_style_and_script_and_no_requests(finished: Path) -> None:
    page = write_report(finished).read_text()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    policy = policy.replace("&#39;", "'")
    assert policy.startswith("default-src 'none'; img-src data:;")
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (own,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert re.findall(r'(?:src|href)="(?!data:|#)([^"]*)"', page) == []
    assert "style=" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)


def test_files_that_are_not_reports_are_not_overwritten(finished: Path, tmp_path: Path) -> None:
    text = write_report(finished).read_text()
    page = tmp_path / "page.html"
    write_page(page, text)
    write_page(page, text)
    page.write_text("<html>mine</html>")
    for other in (page, tmp_path):
        with pytest.raises(UsageError, match="is not a report"):
            write_page(other, text)
    assert page.read_text() == "<html>mine</html>"
    with pytest.raises(ResourceError, match="cannot be written"):
        write_page(page / "below", text)
