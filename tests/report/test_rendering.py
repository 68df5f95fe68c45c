import builtins
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandwise.errors import InputError
from strandwise.report import check_installed, write_page
from strandwise.report.rendering import script_safe_json


@given(
    st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(["</script>", "\u2028\u2029", "<!--", "&lt;"])
)
def test_json_in_a_script_is_harmless_and_unchanged(text):
    encoded = script_safe_json({text: [text]})
    assert not set("<>&\u2028\u2029") & set(encoded)
    assert json.loads(encoded) == {text: [text]}


def test_nan_is_not_json():
    with pytest.raises(ValueError, match="JSON"):
        script_safe_json([float("nan")])


@pytest.mark.parametrize("package", ["jinja2", "plotly"])
def test_a_missing_package_is_named_with_the_fix(monkeypatch, make_run, tmp_path, package):
    real_import = builtins.__import__

    def without(name, *arguments, **keywords):
        if name.split(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real_import(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=rf"{package}.*pip install 'strandwise\[report\]'"):
        write_page(make_run(), tmp_path / "report.html")
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match=package):
        check_installed()
