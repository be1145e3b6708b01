import {{ cookiecutter.project_slug }}


def test_all():
    assert {{ cookiecutter.project_slug }}.__all__ == []
