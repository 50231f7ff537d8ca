import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.elasticsearch.client.Client;
import org.elasticsearch.client.node.NodeClient;
import org.elasticsearch.cluster.ClusterState;
import org.elasticsearch.cluster.ClusterStateUpdateTask;
import org.elasticsearch.cluster.metadata.IndexNameExpressionResolver;
import org.elasticsearch.cluster.metadata.Metadata;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.common.io.stream.NamedWriteableRegistry;
import org.elasticsearch.common.regex.Regex;
import org.elasticsearch.common.settings.ClusterSettings;
import org.elasticsearch.common.settings.IndexScopedSettings;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.common.settings.SettingsFilter;
import org.elasticsearch.env.Environment;
import org.elasticsearch.env.NodeEnvironment;
import org.elasticsearch.index.mapper.DataStreamTimestampFieldMapper;
import org.elasticsearch.index.mapper.MetadataFieldMapper;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.MapperPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.repositories.RepositoriesService;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.BytesRestResponse;
import org.elasticsearch.rest.RestChannel;
import org.elasticsearch.rest.RestController;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.script.ScriptService;
import org.elasticsearch.threadpool.ThreadPool;
import org.elasticsearch.watcher.ResourceWatcherService;
import org.elasticsearch.xcontent.NamedXContentRegistry;

/**
 * Elasticsearch 7 has data streams in its core; a module that the small server lacks makes them known and deletes them.
 * Their indices are left behind here.
 */
public final class DataStreams extends Plugin implements MapperPlugin, ActionPlugin {
  private ClusterService cluster;

  private static final class Forget extends ClusterStateUpdateTask {
    private final String names;
    private final RestChannel channel;

    Forget(String names, RestChannel channel) {
      this.names = names;
      this.channel = channel;
    }

    @Override
    public ClusterState execute(ClusterState state) {
      Metadata.Builder left = Metadata.builder(state.metadata());
      for (String name : state.metadata().dataStreams().keySet()) {
        if (Regex.simpleMatch(names, name)) {
          left.removeDataStream(name);
        }
      }
      return ClusterState.builder(state).metadata(left).build();
    }

    @Override
    public void onFailure(String source, Exception error) {
      channel.sendResponse(new BytesRestResponse(RestStatus.INTERNAL_SERVER_ERROR, String.valueOf(error)));
    }

    @Override
    public void clusterStateProcessed(String source, ClusterState before, ClusterState after) {
      channel.sendResponse(new BytesRestResponse(RestStatus.OK, "application/json", "{\"acknowledged\":true}"));
    }
  }

  private final class Delete extends BaseRestHandler {
    @Override
    public String getName() {
      return "test_delete_data_streams";
    }

    @Override
    public List<Route> routes() {
      return List.of(new Route(RestRequest.Method.DELETE, "/_data_stream/{name}"));
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
      String names = request.param("name");
      return channel -> cluster.submitStateUpdateTask("forget data streams", new Forget(names, channel));
    }
  }

  @Override
  public Map<String, MetadataFieldMapper.TypeParser> getMetadataMappers() {
    return Map.of(DataStreamTimestampFieldMapper.NAME, DataStreamTimestampFieldMapper.PARSER);
  }

  @Override
  public Collection<Object> createComponents(
      Client client,
      ClusterService clusterService,
      ThreadPool threads,
      ResourceWatcherService watcher,
      ScriptService scripts,
      NamedXContentRegistry contents,
      Environment environment,
      NodeEnvironment node,
      NamedWriteableRegistry writeables,
      IndexNameExpressionResolver resolver,
      Supplier<RepositoriesService> repositories) {
    cluster = clusterService;
    return List.of();
  }

  @Override
  public List<RestHandler> getRestHandlers(
      Settings settings,
      RestController controller,
      ClusterSettings clusterSettings,
      IndexScopedSettings indexSettings,
      SettingsFilter filter,
      IndexNameExpressionResolver resolver,
      Supplier<DiscoveryNodes> nodes) {
    return List.of(new Delete());
  }
}
