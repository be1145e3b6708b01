package ${{ values.package }};

class ${{ values.name | capitalize }}Test {}
