"""Environment variables that decide which code a program loads, or whom this package trusts.

May import: the standard library only. Hydra sets those of ``hydra.job.env_set`` in the process of the job, and all that
this process starts later has them too: Pythons, git, ssh, compilers, SLURM's and Apptainer's commands.
"""

from __future__ import annotations

LOADED = "decides what other programs load"
TRUSTED = "decides whom and what this package trusts"

_NAMES = frozenset(
    # shells, and what they start
    "BASH_ENV BROWSER CDPATH COMSPEC EDITOR ENV IFS LESSCLOSE LESSOPEN MANPAGER PAGER PATH PROMPT_COMMAND PS4 SHELL "
    "SHELLOPTS BASHOPTS VISUAL "
    # what the C library, OpenSSL and the drivers of GPUs load
    "CUDA_INJECTION32_PATH CUDA_INJECTION64_PATH GCONV_PATH HSA_TOOLS_LIB LOCPATH NLSPATH OPENSSL_CONF "
    "OPENSSL_ENGINES OPENSSL_MODULES ROCP_TOOL_LIB "
    # communication libraries and compilers
    "NCCL_CONF_FILE NCCL_ENV_PLUGIN NCCL_MIXED_PLUGIN NCCL_NET_PLUGIN NCCL_PROFILER_PLUGIN NCCL_TUNER_PLUGIN "
    "CC CUDACXX CUDA_HOME CUDA_PATH CXX NVCC_APPEND_FLAGS NVCC_PREPEND_FLAGS TRITON_PTXAS_PATH "
    # caches and settings that are unpickled or imported
    "FSSPEC_CONFIG_DIR HF_DATASETS_TRUST_REMOTE_CODE HF_MODULES_CACHE HOME MPLBACKEND TORCH_EXTENSIONS_DIR "
    "TORCHINDUCTOR_CACHE_DIR TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD TRITON_CACHE_DIR "
    # of other languages
    "CLASSPATH JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS NODE_OPTIONS NODE_PATH PERL5DB PERL5LIB PERL5OPT RUBYLIB RUBYOPT "
    # who is asked for passwords, which Hydra app this is, and what Hydra's own instantiate may call
    "HYDRA_INSTANTIATE_ALLOWLIST_OVERRIDE HYDRA_MAIN_MODULE SSH_ASKPASS SUDO_ASKPASS".split()
)
_PREFIXES = tuple(
    "APPTAINER BASH_FUNC_ DYLD_ GIT_ LD_ OMPI_MCA_ PIP_ PMIX_MCA_ PRTE_MCA_ PYTHON SBATCH_ SINGULARITY SLURM_CONF "
    "SPANK_ UV_".split()
)
_OWN = ("NEMO_PARTIAL_HYDRA_", "NPH_", "XDG_")
# Of Python's, those that load nothing; ``PYTHONWARNINGS`` is none of them: it imports the class that it names.
_HARMLESS = frozenset(
    f"PYTHON{name}"
    for name in "COERCECLOCALE DEBUG DEVMODE DONTWRITEBYTECODE FAULTHANDLER HASHSEED INTMAXSTRDIGITS IOENCODING MALLOC "
    "MALLOCSTATS NODEBUGRANGES NOUSERSITE OPTIMIZE SAFEPATH TRACEMALLOC UNBUFFERED UTF8 VERBOSE".split()
)


def risk_of(name: str) -> str | None:
    """Say what a variable decides that no file may; None for all others."""
    if name.startswith(_OWN):
        return TRUSTED
    risky = name in _NAMES or (name.startswith(_PREFIXES) and name not in _HARMLESS)
    return LOADED if risky else None
