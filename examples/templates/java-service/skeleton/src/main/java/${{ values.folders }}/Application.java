package ${{ values.package }};

public final class Application {
  private Application() {}

  public static void main(String[] arguments) {
    System.out.println(${{ values.name | dump }} + " of ${{ values.slug }}");
  }
}
