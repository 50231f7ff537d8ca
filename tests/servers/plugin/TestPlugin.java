import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.email.UAX29URLEmailTokenizer;
import org.apache.lucene.analysis.miscellaneous.RemoveDuplicatesTokenFilter;
import org.apache.lucene.analysis.pattern.PatternCaptureGroupTokenFilter;
import org.elasticsearch.Build;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.index.analysis.TokenFilterFactory;
import org.elasticsearch.index.analysis.TokenizerFactory;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.AnalysisPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;

/**
 * What the small server of Maven Central leaves out and a test needs: the text analysis of the index that holds API
 * keys, and the answer to GET /.
 */
public final class TestPlugin extends Plugin implements AnalysisPlugin, ActionPlugin {
  private static final class Filter implements TokenFilterFactory {
    private final String name;
    private final Function<TokenStream, TokenStream> wrap;

    Filter(String name, Function<TokenStream, TokenStream> wrap) {
      this.name = name;
      this.wrap = wrap;
    }

    @Override
    public String name() {
      return name;
    }

    @Override
    public TokenStream create(TokenStream stream) {
      return wrap.apply(stream);
    }
  }

  private static final class Greeting extends BaseRestHandler {
    @Override
    public String getName() {
      return "test_greeting";
    }

    @Override
    public List<Route> routes() {
      return List.of(new Route(RestRequest.Method.GET, "/"));
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
      Build build = Build.current();
      String body = String.format(
          "{\"version\":{\"number\":\"%s\",\"build_flavor\":\"%s\"},\"tagline\":\"made for a test\"}",
          build.version(), build.flavor());
      return channel -> channel.sendResponse(new RestResponse(RestStatus.OK, "application/json", body));
    }
  }

  @Override
  public Map<String, AnalysisProvider<TokenizerFactory>> getTokenizers() {
    AnalysisProvider<TokenizerFactory> addresses =
        (index, environment, name, settings) -> TokenizerFactory.newFactory(name, UAX29URLEmailTokenizer::new);
    return Map.of("uax_url_email", addresses);
  }

  @Override
  public Map<String, AnalysisProvider<TokenFilterFactory>> getTokenFilters() {
    Map<String, AnalysisProvider<TokenFilterFactory>> filters = new HashMap<>();
    filters.put("unique", (index, environment, name, settings) -> new Filter(name, RemoveDuplicatesTokenFilter::new));
    filters.put("pattern_capture", AnalysisPlugin.requiresAnalysisSettings((index, environment, name, settings) -> {
      List<Pattern> patterns = new ArrayList<>();
      for (String pattern : settings.getAsList("patterns")) {
        patterns.add(Pattern.compile(pattern));
      }
      boolean whole = settings.getAsBoolean("preserve_original", true);
      Pattern[] groups = patterns.toArray(new Pattern[0]);
      return new Filter(name, stream -> new PatternCaptureGroupTokenFilter(stream, whole, groups));
    }));
    return filters;
  }

  @Override
  public Collection<RestHandler> getRestHandlers(
      ActionPlugin.RestHandlersServices services,
      Supplier<DiscoveryNodes> nodes,
      Predicate<NodeFeature> features) {
    return List.of(new Greeting());
  }
}
