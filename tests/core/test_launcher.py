"""The world of processes, read from the variables of launchers."""

from __future__ import annotations

import pytest

from zoo.core.errors import OtherProcessError, UserError
from zoo.core.launcher import Launch, detect, require_match, require_one_process

TORCHRUN = {
    **{"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "4", "RANK": "3", "LOCAL_WORLD_SIZE": "2", "LOCAL_RANK": "1"},
    **{"MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29400"},
}
SRUN = {
    **{"SLURM_JOB_ID": "123456", "SLURM_JOB_NAME": "flowers", "SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "4"},
    **{"SLURM_STEP_NUM_NODES": "2", "SLURM_PROCID": "2", "SLURM_LOCALID": "0", "SLURM_STEP_NODELIST": "gpu[07-08]"},
}


def test_a_process_without_a_launcher_is_alone():
    assert detect({}) is None


def test_torchrun_says_which_process_this_is():
    launch = detect(TORCHRUN)
    assert launch == Launch("torchrun", 4, 3, 2, 1, "10.0.0.1", 29400)
    assert (launch.nodes, launch.node) == (2, 1)


def test_srun_says_which_process_this_is_and_where_the_first_listens():
    assert detect(SRUN) == Launch("srun", 4, 2, 2, 0, "gpu07", 15000 + 3456)


@pytest.mark.parametrize(
    ("nodes", "first"), [("gpu[07-08]", "gpu07"), ("a1,a2", "a1"), ("n[3,5-9],m1", "n3"), ("solo", "solo")]
)
def test_the_first_machine_of_a_slurm_list_is_named(nodes, first):
    assert detect(SRUN | {"SLURM_STEP_NODELIST": nodes}).address == first


def test_a_task_of_an_interactive_slurm_job_is_alone():
    assert detect(SRUN | {"SLURM_JOB_NAME": "interactive"}) is None


def test_several_slurm_tasks_without_srun_are_refused():
    with pytest.raises(UserError, match=r"4 tasks \(SLURM_NTASKS\), received 1 process"):
        detect({"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_JOB_NAME": "flowers"})


def test_torchrun_inside_a_slurm_task_wins():
    assert detect(SRUN | TORCHRUN).launcher == "torchrun"


def test_open_mpi_says_which_process_this_is():
    size, rank = {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_LOCAL_SIZE": "2"}, {"OMPI_COMM_WORLD_RANK": "1"}
    launch = detect(size | rank | {"OMPI_COMM_WORLD_LOCAL_RANK": "1"})
    assert launch == Launch("mpirun", 2, 1, 2, 1, "127.0.0.1", 29500)


def test_processes_on_several_machines_need_an_address():
    environ = {"PMI_SIZE": "4", "PMI_RANK": "0", "MPI_LOCALNRANKS": "2", "MPI_LOCALRANKID": "0"}
    with pytest.raises(UserError, match="set MASTER_ADDR"):
        detect(environ)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"RANK": "1"}, "RANK is 1, but WORLD_SIZE is not set"),
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE is 2, but RANK, which numbers the processes, is not set"),
        ({"RANK": "x", "WORLD_SIZE": "2"}, "RANK is 'x'; allowed is a whole number"),
        (TORCHRUN | {"RANK": "4"}, "process 4 of 4"),
        (SRUN | {"SLURM_STEP_NUM_TASKS": "3"}, "as many processes on each machine"),
    ],
)
def test_incomplete_or_contradicting_variables_are_refused(environ, message):
    with pytest.raises(UserError, match=message):
        detect(environ)


@pytest.mark.parametrize("devices", [None, "auto", -1, 2, "2", [0, 1], "0,1", "[2, 3]"])
def test_options_that_fit_the_launcher_are_accepted(devices):
    require_match(detect(TORCHRUN), devices, None)


@pytest.mark.parametrize("devices", [4, "1", [0, 1, 2]])
def test_a_number_of_devices_that_differs_from_the_launchers_is_refused_with_both(devices):
    with pytest.raises(UserError, match=r"--trainer.devices is .*, but torchrun started 2 processes on each machine"):
        require_match(detect(TORCHRUN), devices, None)


def test_a_number_of_machines_that_differs_from_the_launchers_is_refused_with_both():
    with pytest.raises(UserError, match=r"--trainer.num_nodes is 3, but torchrun started processes on 2"):
        require_match(detect(TORCHRUN), None, 3)


def test_a_command_of_one_process_is_refused_once_where_several_were_started():
    require_one_process("predict", {})
    with pytest.raises(UserError, match="zoo predict works in one process, on all cores, and torchrun started 4"):
        require_one_process("predict", TORCHRUN | {"RANK": "0", "LOCAL_RANK": "0"})
    with pytest.raises(OtherProcessError):
        require_one_process("predict", TORCHRUN)
