"""{{ cookiecutter.project_name | replace("-", " ") | capitalize }}."""

__all__ = []
