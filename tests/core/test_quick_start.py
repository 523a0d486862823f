"""The garbage collector rests while torch is imported, and afterwards passes over what was made."""

import subprocess
import sys
import textwrap


def run(code):
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_imports_are_not_collected_and_the_collector_works_afterwards():
    code = """
        import gc
        from zoo.core.quick_start import imports_without_collection
        with imports_without_collection():
            print(gc.isenabled())
            import json
        print(gc.isenabled(), gc.get_freeze_count() > 1000)
    """
    assert run(code) == ["False", "True", "True"]


def test_a_failed_import_leaves_the_collector_on():
    code = """
        import gc
        from zoo.core.quick_start import imports_without_collection
        try:
            with imports_without_collection():
                raise ImportError
        except ImportError:
            print(gc.isenabled())
    """
    assert run(code) == ["True"]


def test_nothing_changes_where_torch_is_imported_already():
    code = """
        import gc, sys, types
        from zoo.core.quick_start import imports_without_collection
        sys.modules["torch"] = types.ModuleType("torch")
        with imports_without_collection():
            print(gc.isenabled())
        print(gc.get_freeze_count())
    """
    assert run(code) == ["True", "0"]
