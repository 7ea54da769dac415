import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Puts a file to a URL, by HttpClient ("client") or HttpsURLConnection ("connection"). */
public class UploadBy {
    public static void main(String[] given) throws Exception {
        byte[] body = Files.readAllBytes(Path.of(given[1]));
        URI place = URI.create(given[2]);
        int status;
        String text;
        if (given[0].equals("client")) {
            var request = HttpRequest.newBuilder(place).PUT(HttpRequest.BodyPublishers.ofByteArray(body)).build();
            var answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
            status = answer.statusCode();
            text = answer.body();
        } else {
            var connection = (HttpURLConnection) place.toURL().openConnection();
            connection.setRequestMethod("PUT");
            connection.setDoOutput(true);
            try (var out = connection.getOutputStream()) {
                out.write(body);
            }
            status = connection.getResponseCode();
            var in = status < 300 ? connection.getInputStream() : connection.getErrorStream();
            text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
        System.out.println(status + " " + text);
        System.exit(status < 300 ? 0 : 1);
    }
}
