import subprocess
import sys


def test_no_core_dumps_of_this_process_or_its_children() -> None:
    script = (
        "import resource, subprocess\n"
        "from strongroom.cli.process import forbid_core_dumps\n"
        "forbid_core_dumps()\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE))\n"
        "print(subprocess.run(['bash', '-c', 'ulimit -c'], capture_output=True, text=True).stdout)\n"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert printed.split("\n")[:2] == ["(0, 0)", "0"]
